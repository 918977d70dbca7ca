/* The application's side of a job; see wsgi_job.h.
 *
 * Every function here is called with the GIL and without an exception set, and leaves none set,
 * but for wsgi_job_new and wsgi_job_write, which Python sees. Any call of the application may do
 * anything, also drop the last outside reference to what it was called with: so the job holds
 * its own reference to all it uses. */
#include "gateway/wsgi_job.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "gateway/py_log.h"
#include "gateway/wsgi.h"
#include "gateway/wsgi_errors.h"

#include "base/banned.h"

/* --- life --- */

/* The handles of an ended job serve the next one where nobody else has kept them. */
static struct wsgi_handle *take_spare(struct wsgi_handle **spare, struct wsgi_job *job) {
    struct wsgi_handle *handle = *spare;
    *spare = NULL;
    if (handle) {
        handle->job = job;
    }
    return handle;
}

static void give_spare(struct wsgi_handle **spare, struct wsgi_handle *handle) {
    if (handle && !*spare && Py_REFCNT(handle) == 1) {
        *spare = handle;
    } else {
        Py_XDECREF(handle);
    }
}

static int make_handles(struct wsgi *wsgi, struct wsgi_job *job) {
    job->start_response = take_spare(&wsgi->spare_start_response, job);
    job->write = take_spare(&wsgi->spare_write, job);
    if (!job->start_response) {
        job->start_response = wsgi_start_response_new(wsgi->types.start_response, job);
    }
    if (!job->write) {
        job->write = wsgi_write_new(wsgi->types.write, job);
    }
    return job->start_response && job->write ? 0 : -1;
}

struct wsgi_job *wsgi_job_new(struct wsgi *wsgi, const struct wsgi_request *request) {
    struct wsgi_job *job = slab_take(&wsgi->jobs);
    if (!job) {
        Py_DECREF(request->environ);
        Py_DECREF(request->method);
        Py_DECREF(request->uri);
        PyErr_NoMemory();
        return NULL;
    }
    memset(job, 0, offsetof(struct wsgi_job, head));
    job->wsgi = wsgi;
    job->environ = request->environ;
    job->method = request->method;
    job->uri = request->uri;
    job->state = JOB_CALL;
    job->output.range.fd = -1;
    list_init(&job->link);
    list_init(&job->running);
    wsgi_body_init(&job->body);
    wsgi_body_init(&job->spill);
    wsgi_head_init(&job->head);
    if (make_handles(wsgi, job)) {
        PyObject *exception = py_take_exception();
        wsgi_job_close(job);
        wsgi_job_free(job);
        py_give_exception(exception);
        return NULL;
    }
    return job;
}

void wsgi_job_free(struct wsgi_job *job) {
    assert(job->state == JOB_CLOSED && list_empty(&job->link));
    wsgi_output_clear(&job->output);
    wsgi_head_clear(&job->head);
    wsgi_body_release(&job->body);
    Py_DECREF(job->method);
    Py_DECREF(job->uri);
    slab_give(&job->wsgi->jobs, job);
}

void wsgi_job_detach(struct wsgi_job *job) {
    if (job->start_response) {
        job->start_response->job = NULL;
    }
    if (job->write) {
        job->write->job = NULL;
    }
}

/* --- context variables ---
 *
 * In the loop's thread, responses that are iterated over take turns, and each must find the
 * context variables that its own call has set (Flask's request, for one). So such a response
 * keeps the context it was called in, and the next call gets a new one. Calls that are over when
 * they return share one. Threads of the pool have a context each and one job at a time. */

/* [borrowed] NULL with an exception, or without one where none is needed. */
static PyObject *context_of(struct wsgi_job *job) {
    struct wsgi *wsgi = job->wsgi;
    if (job->context || wsgi->threads > 1) {
        return job->context;
    }
    if (!wsgi->context) {
        wsgi->context = PyContext_CopyCurrent();
    }
    return wsgi->context;
}

/* 0 with the context entered in `*context` [new], or NULL; -1 with an exception. */
static int enter(struct wsgi_job *job, PyObject **context) {
    *context = Py_XNewRef(context_of(job));
    if (*context ? PyContext_Enter(*context) : PyErr_Occurred() != NULL) {
        Py_CLEAR(*context);
        return -1;
    }
    return 0;
}

/* [steals context] */
static void leave(struct wsgi_job *job, PyObject *context) {
    if (!context) {
        return;
    }
    if (PyContext_Exit(context)) {
        PyErr_WriteUnraisable(context);
    }
    if (job->state == JOB_ITERATE && !job->context) {
        job->context = context;
        Py_CLEAR(job->wsgi->context);
        return;
    }
    Py_DECREF(context);
}

/* --- output --- */

void wsgi_output_clear(struct wsgi_output *output) {
    if (output->range.fd >= 0) {
        close(output->range.fd);
        output->range.fd = -1;
    }
    Py_CLEAR(output->pieces);
}

/* Adds `piece` [steals] behind what write() was given. 0, or -1 with an exception. */
static int add_piece(struct wsgi_job *job, PyObject *piece) {
    if (!job->written) {
        job->output.pieces = piece;
        return 0;
    }
    int failed = PyList_Append(job->written, piece);
    Py_DECREF(piece);
    return failed;
}

/* What write() was given moves to the output. 0, or -1 with an exception. */
static int take_written(struct wsgi_job *job) {
    struct wsgi_body *spill = &job->spill;
    struct wsgi_output *output = &job->output;
    if (!job->written) {
        return 0;
    }
    if (spill->fd >= 0) {
        output->range = (struct wsgi_range){.fd = spill->fd, .len = spill->len};
        spill->fd = -1;
    } else if (spill->len > 0) {
        PyObject *piece =
            PyBytes_FromStringAndSize((const char *)spill->memory, (Py_ssize_t)spill->len);
        if (!piece || add_piece(job, piece)) {
            return -1;
        }
    }
    wsgi_body_release(spill);
    output->pieces = job->written;
    job->written = NULL;
    job->written_bytes = 0;
    return 0;
}

PyObject *wsgi_target_path(PyObject *target) {
    Py_ssize_t len = PyUnicode_GET_LENGTH(target);
    Py_ssize_t end = PyUnicode_FindChar(target, '?', 0, len, 1);
    return PyUnicode_Substring(target, 0, end >= 0 ? end : len);
}

PyObject *wsgi_job_path(const struct wsgi_job *job) {
    PyObject *path = wsgi_target_path(job->uri);
    if (!path) {
        PyErr_Clear();
        path = Py_NewRef(job->method);
    }
    return path;
}

/* The exception that is set, and what it happened in. */
static void log_exception(const struct wsgi_job *job, const char *what) {
    PyObject *exception = py_take_exception();
    PyObject *path = wsgi_job_path(job);
    py_give_exception(exception);
    py_log_exception(job->wsgi->logger, "%s: %U %U", what, job->method, path);
    Py_DECREF(path);
}

/* The application has failed, by the exception that is set: logs it. */
static void fail(struct wsgi_job *job) {
    /* write() has told the application so, and it has not taken it as a mistake of its own. */
    bool expected = job->gone && PyErr_ExceptionMatches(PyExc_BrokenPipeError);
    if (expected) {
        PyErr_Clear();
    } else {
        log_exception(job, "error in the application");
    }
    Py_CLEAR(job->output.pieces);
    if (take_written(job)) {
        PyErr_Clear();
    }
    job->output.kind = OUTPUT_FAILED;
    job->output.last = true;
    job->output.length = -1;
    job->state = JOB_OVER;
    wsgi_job_detach(job);
}

/* `output` is complete: a part, or with `last` the rest. */
static void bring(struct wsgi_job *job, bool last) {
    if (!job->head.set) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the application answered without having called start_response()");
        fail(job);
        return;
    }
    if (take_written(job)) {
        fail(job);
        return;
    }
    job->output.kind = OUTPUT_BODY;
    job->output.last = last;
    job->head_given = true;
    if (last) {
        job->state = JOB_OVER;
        wsgi_job_detach(job);
    }
}

/* --- write() --- */

/* In a thread of the pool: waits until the piece has drained. */
static int write_through(struct wsgi_job *job, PyObject *piece) {
    struct wsgi_pool *pool = &job->wsgi->pool;
    if (!wsgi_pool_is_mine(job)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "write() must be called in the thread that called the application");
        return -1;
    }
    job->output.kind = OUTPUT_BODY;
    job->output.last = false;
    job->output.length = -1;
    job->output.pieces = Py_NewRef(piece);
    job->head_given = true;
    if (!wsgi_pool_hand_over(pool, job)) {
        Py_CLEAR(job->output.pieces); /* the application may catch this and write on */
        PyErr_SetString(PyExc_BrokenPipeError, "the client has closed the connection");
        return -1;
    }
    return 0;
}

/* In the loop's thread: the piece waits. A list of more than JOB_WRITTEN bytes is long enough;
 * an iterable would have been asked piece by piece. */
static int write_later(struct wsgi_job *job, PyObject *piece) {
    struct slice bytes = slice_of(PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece));
    if (!job->written) {
        job->written = PyList_New(0);
        if (!job->written) {
            return -1;
        }
    }
    job->head_given = true;
    if (job->spill.len == 0 &&
        (job->state == JOB_ITERATE || bytes.len <= JOB_WRITTEN - job->written_bytes)) {
        job->written_bytes += job->state == JOB_CALL ? bytes.len : 0;
        return PyList_Append(job->written, piece);
    }
    int err = wsgi_body_append(&job->spill, bytes, 0, PyBytes_AS_STRING(job->wsgi->directory));
    if (err == ERR_NOMEM) {
        PyErr_NoMemory();
    } else if (err) {
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return err ? -1 : 0;
}

int wsgi_job_write(struct wsgi_job *job, PyObject *piece) {
    if (!job->head.set) {
        PyErr_SetString(PyExc_RuntimeError, "write() was called without a head to send");
        return -1;
    }
    if (PyBytes_GET_SIZE(piece) == 0) {
        return 0;
    }
    return job->wsgi->threads > 1 ? write_through(job, piece) : write_later(job, piece);
}

/* --- the iterable --- */

/* 0, or -1 with TypeError. [borrows piece] */
static int check_piece(PyObject *piece) {
    if (PyBytes_Check(piece)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "the application's iterable must yield bytes, and it yielded %.200s",
                 Py_TYPE(piece)->tp_name);
    return -1;
}

/* A list or tuple is the whole response. [borrows items] 0, or -1 with an exception. */
static int bring_whole(struct wsgi_job *job, PyObject *items) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    job->output.length = 0;
    if (count == 1) {
        PyObject *piece = PySequence_Fast_GET_ITEM(items, 0); /* borrowed, then ours */
        if (check_piece(piece)) {
            return -1;
        }
        job->output.length = PyBytes_GET_SIZE(piece);
        job->output.pieces = Py_NewRef(piece);
    } else if (count > 1) {
        PyObject *pieces = PySequence_Tuple(items); /* a list may be changed by its owner */
        if (!pieces) {
            return -1;
        }
        job->output.pieces = pieces;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pieces); i++) {
            if (check_piece(PyTuple_GET_ITEM(pieces, i))) {
                return -1;
            }
            job->output.length += PyBytes_GET_SIZE(PyTuple_GET_ITEM(pieces, i));
        }
    }
    bring(job, true);
    return 0;
}

/* PEP 3333 "Handling the Content-Length Header": an iterable with one item says how long the
 * body is. One that has a len() but cannot tell it is as good as one without. 0, or -1 with
 * another exception. */
static int find_single(struct wsgi_job *job) {
    PyTypeObject *type = Py_TYPE(job->result);
    if (!PyType_GetSlot(type, Py_sq_length) && !PyType_GetSlot(type, Py_mp_length)) {
        return 0;
    }
    Py_ssize_t len = PyObject_Size(job->result);
    if (len < 0 && !PyErr_ExceptionMatches(PyExc_TypeError) &&
        !PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
        return -1;
    }
    PyErr_Clear();
    job->single = len == 1;
    return 0;
}

/* A real file behind a wrapper is the whole response. 1: it was brought; 0: iterate; -1 with an
 * exception. */
static int bring_file(struct wsgi_job *job) {
    struct wsgi_range range;
    int found = wsgi_file_range(job->result, &range);
    if (found <= 0) {
        return found;
    }
    int64_t limit = job->head.set ? wsgi_head_length(&job->head) : -1;
    if (limit >= 0 && range.len > (uint64_t)limit) {
        range.len = (uint64_t)limit;
    }
    job->output.range = range;
    job->output.length = (int64_t)range.len;
    bring(job, true);
    return 1;
}

/* The next piece of the iterator. */
static void iterate(struct wsgi_job *job) {
    PyObject *piece = PyIter_Next(job->iterator);
    job->output.length = -1;
    if (!piece) {
        if (PyErr_Occurred()) {
            fail(job);
        } else {
            bring(job, true);
        }
        return;
    }
    if (check_piece(piece)) {
        Py_DECREF(piece);
        fail(job);
        return;
    }
    /* PEP 3333: the head waits for the first piece that is not empty. */
    if (PyBytes_GET_SIZE(piece) == 0 && !job->written) {
        Py_DECREF(piece);
        job->output.kind = OUTPUT_NOTHING;
        return;
    }
    /* What write() was given goes before it, and counts too. */
    if (job->single && !job->written) {
        job->output.length = PyBytes_GET_SIZE(piece);
    }
    if (add_piece(job, piece)) {
        fail(job);
        return;
    }
    bring(job, false);
}

/* The application has returned `result` [steals]. */
static void begin_result(struct wsgi_job *job, PyObject *result) {
    struct wsgi *wsgi = job->wsgi;
    int done = 0;
    job->wrapped = Py_IS_TYPE(result, wsgi->types.file);
    if ((PyList_CheckExact(result) || PyTuple_CheckExact(result)) && !job->head_given) {
        done = bring_whole(job, result) ? -1 : 1;
        Py_DECREF(result); /* neither has a close() */
    } else {
        job->result = result;
        if (job->wrapped && !job->head_given) {
            done = bring_file(job);
        } else if (!job->wrapped) {
            done = find_single(job);
        }
    }
    if (done == 0) {
        job->iterator = PyObject_GetIter(job->result);
        done = job->iterator ? 0 : -1;
    }
    if (done < 0) {
        fail(job);
    } else if (done == 0) {
        job->state = JOB_ITERATE;
        if (job->written) {
            job->output.length = -1;
            bring(job, false);
        } else {
            iterate(job);
        }
    }
}

static void call(struct wsgi_job *job) {
    PyObject *args[] = {NULL, job->environ, (PyObject *)job->start_response};
    PyObject *result =
        PyObject_Vectorcall(job->wsgi->app, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_CLEAR(job->environ);
    if (result) {
        begin_result(job, result);
    } else {
        fail(job);
    }
}

void wsgi_job_step(struct wsgi_job *job) {
    PyObject *context;
    assert(job->state == JOB_CALL || job->state == JOB_ITERATE);
    wsgi_output_clear(&job->output);
    if (enter(job, &context)) {
        fail(job);
        return;
    }
    if (job->state == JOB_CALL) {
        call(job);
    } else {
        iterate(job);
    }
    leave(job, context);
}

/* --- the end --- */

bool wsgi_job_must_close(const struct wsgi_job *job) {
    return job->result != NULL;
}

static void call_close(struct wsgi_job *job) {
    PyObject *close_method = PyObject_GetAttrString(job->result, "close");
    if (!close_method && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    PyObject *done = close_method ? PyObject_CallNoArgs(close_method) : NULL;
    if (!done) {
        log_exception(job, "error in the close() of a response");
    }
    Py_XDECREF(done);
    Py_XDECREF(close_method);
}

void wsgi_job_close(struct wsgi_job *job) {
    struct wsgi *wsgi = job->wsgi;
    wsgi_job_detach(job);
    if (job->result) {
        PyObject *context;
        job->state = JOB_OVER;
        if (enter(job, &context)) {
            PyErr_WriteUnraisable(job->result);
            context = NULL;
        }
        call_close(job);
        Py_CLEAR(job->iterator);
        Py_CLEAR(job->result);
        leave(job, context);
    }
    job->state = JOB_CLOSED;
    wsgi_errors_flush(wsgi_pool_errors(job));
    give_spare(&wsgi->spare_start_response, job->start_response);
    give_spare(&wsgi->spare_write, job->write);
    job->start_response = NULL;
    job->write = NULL;
    wsgi_body_release(&job->spill);
    Py_CLEAR(job->written);
    Py_CLEAR(job->environ);
    Py_CLEAR(job->context);
}

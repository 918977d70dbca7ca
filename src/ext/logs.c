/* Access log and request ids; see logs.h. */
#include "ext/logs.h"

#include <string.h>

#include "base/err.h"

#include "base/banned.h"

static struct slice text_of(const char *text) {
    return slice_of(text, strlen(text));
}

static int read_mode(enum request_id_mode *mode, const char *word) {
    static const char *const words[] = {
        [REQUEST_ID_OFF] = "off", [REQUEST_ID_MAKE] = "make", [REQUEST_ID_TAKE] = "take"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            *mode = (enum request_id_mode)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "request_id is '%s': allowed is off, make or take", word);
    return -1;
}

int worker_logs_config(struct worker_logs *self, const struct worker_args *args,
                       const struct trust *trusted, struct server_config *config) {
    size_t size = strlen(args->access_log_prefix) + 1;
    self->prefix = PyMem_Malloc(size);
    if (!self->prefix) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(self->prefix, args->access_log_prefix, size);
    config->access_log = (struct access_config){.fd = args->access_log_fd,
                                                .format = text_of(args->access_log_format),
                                                .prefix = text_of(self->prefix)};
    config->request_id =
        (struct request_id_rules){.reply = args->request_id_reply, .trusted = trusted};
    return read_mode(&config->request_id.mode, args->request_id);
}

void worker_logs_release(struct worker_logs *self) {
    PyMem_Free(self->prefix);
    self->prefix = NULL;
}

void worker_logs_raise(const struct worker_args *args, int err) {
    if (err == ERR_LOG_ATOM || err == ERR_LOG_LINE) {
        PyErr_Format(PyExc_ValueError, "access_log_format is '%s': %s", args->access_log_format,
                     err_text(err));
    } else {
        PyErr_SetString(PyExc_OSError, err_text(err));
    }
}

/* The corpus in tests/corpus (its README says what the files mean), through heads, rules and
 * chunks as a connection would. Wants the corpus's path in the environment as CORPUS_DIR. */
#include <dirent.h>

#include "unit/wire/heads.h"
#include "wire/chunk.h"
#include "wire/http_rules.h"

#include "base/banned.h"

#define NAME_MAX_BYTES 256

struct file {
    char name[NAME_MAX_BYTES];
    uint8_t *bytes;
    size_t len;
};

/* What became of the requests in a file. */
struct outcome {
    int err; /* ERR_BODY_CUT too, where the file ends inside a body */
    unsigned requests;
    bool head_cut; /* the file ends inside a head */
};

static struct file read_file(const char *directory, const char *name) {
    struct file file = {.len = 0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(file.name, sizeof file.name, "%s", name);
    FILE *stream = fopen(path, "rb");
    file.bytes = malloc(GUARD_BYTES);
    if (!stream || !file.bytes) {
        perror(path);
        exit(1);
    }
    file.len = fread(file.bytes, 1, GUARD_BYTES, stream);
    fclose(stream);
    return file;
}

/* Skips the body at `at`, `step` bytes at a time. 0 or an error. */
static int skip_body(const struct request_rules *rules, const struct file *file, size_t step,
                     size_t *at) {
    if (rules->body == BODY_LENGTH) {
        if (file->len - *at < rules->content_length) {
            return ERR_BODY_CUT;
        }
        *at += (size_t)rules->content_length;
        return 0;
    }
    struct chunk_decoder decoder;
    chunk_decoder_init(&decoder);
    while (rules->body == BODY_CHUNKED && !decoder.done) {
        if (*at == file->len) {
            return ERR_BODY_CUT;
        }
        size_t len = file->len - *at < step ? file->len - *at : step;
        struct slice data;
        ssize_t used = chunk_decode(&decoder, file->bytes + *at, len, &data);
        if (used < 0) {
            return (int)used;
        }
        *at += (size_t)used;
    }
    return 0;
}

/* Reads request after request. Heads are given in all the ways of heads.h. */
static struct outcome run(struct guard *guard, const struct file *file, size_t step) {
    struct outcome outcome = {0};
    size_t at = 0;
    while (at < file->len && outcome.err == 0) {
        struct verdict verdict;
        const struct head_parser *parser = head_parser_best();
        struct slice rest = slice_of(file->bytes + at, file->len - at);
        if (step == SIZE_MAX) {
            size_t unused;
            if (rest.len < 4096) {
                CHECK(parse_every_way(guard, rest, &default_limits, &verdict, &unused));
            } else {
                parse_whole(parser, guard, rest, &default_limits, &verdict);
            }
        } else {
            parse_steps(parser, guard, rest, &default_limits, step, &verdict);
        }
        outcome.head_cut = verdict.result == 0;
        if (verdict.result <= 0) {
            outcome.err = (int)verdict.result;
            break;
        }
        struct request_rules rules;
        outcome.err = http_rules_request(&verdict.head, rest.at, &rules);
        at += (size_t)verdict.result;
        if (outcome.err == 0) {
            outcome.err = skip_body(&rules, file, step, &at);
        }
        outcome.requests += outcome.err == 0;
    }
    return outcome;
}

/* The ERR_NAME in the file's name; empty for a valid one. */
static struct slice expected_of(const struct file *file) {
    const char *error = strstr(file->name, ".ERR_");
    const char *end = strstr(file->name, ".http");
    return error && end ? slice_of(error + 1, (size_t)(end - error - 1)) : slice_of("", 0);
}

static void check_file(struct guard *guard, const struct file *file) {
    static const size_t steps[] = {SIZE_MAX, 1, 1000};
    struct slice expected = expected_of(file);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i] == 1 && file->len > 4096) {
            continue; /* each byte moves all those before it: too slow for the large files, which
                         the step of 1000 cuts */
        }
        struct outcome outcome = run(guard, file, steps[i]);
        const char *name = outcome.err < 0 ? err_name(outcome.err) : "";
        bool good = CHECK_SLICE(slice_of(name, strlen(name)), expected);
        good = CHECK(!outcome.head_cut) && good;
        good = CHECK(outcome.err < 0 || outcome.requests > 0) && good;
        if (!good) {
            fprintf(stderr, "  in %s, step %zu\n", file->name, steps[i]);
        }
    }
}

static void check_directory(const char *kind, unsigned at_least) {
    char directory[2048];
    const char *corpus = getenv("CORPUS_DIR");
    if (!CHECK(corpus != NULL)) {
        return;
    }
    snprintf(directory, sizeof directory, "%s/%s", corpus, kind);
    DIR *listing = opendir(directory);
    if (!CHECK(listing != NULL)) {
        return;
    }
    struct guard guard = guard_new();
    unsigned files = 0;
    const struct dirent *entry;
    while ((entry = readdir(listing))) {
        if (!strstr(entry->d_name, ".http")) {
            continue;
        }
        struct file file = read_file(directory, entry->d_name);
        bool invalid = strcmp(kind, "invalid") == 0;
        CHECK((expected_of(&file).len > 0) == invalid);
        check_file(&guard, &file);
        free(file.bytes);
        files++;
    }
    closedir(listing);
    guard_free(&guard);
    CHECK(files >= at_least); /* the directory is the right one */
}

TEST(valid_requests_are_accepted) {
    check_directory("valid", 20);
}

TEST(invalid_requests_are_refused_with_the_error_in_their_name) {
    check_directory("invalid", 100);
}

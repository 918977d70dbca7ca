/* Times head parsers against each other: ns per head, every parser in turn, round after round,
 * so that what disturbs the machine disturbs them all alike. Built and called by run.py.
 *
 *     bench_parser HEAD-FILE ROUNDS [phr|llhttp NAME LIBRARY]...
 *
 * Prints one line a parser: name, median, least, fields found. Ours look up the number of each
 * field name as well; the others do not know names. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/head.h"

#define FIELDS_MAX     100
#define CONTENDERS_MAX 16
#define ROUND_NS       2e6

/* The interface of picohttpparser, as its users declare it. */
struct phr_field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

typedef int phr_parse_fn(const char *buf, size_t len, const char **method, size_t *method_len,
                         const char **path, size_t *path_len, int *minor, struct phr_field *fields,
                         size_t *field_count, size_t last_len);

/* Of llhttp_adapter.c: the number of fields, or -1. */
typedef int llhttp_parse_fn(const char *bytes, size_t len);

struct contender {
    const char *name;
    int (*parse)(const struct contender *contender, const char *bytes, size_t len);
    const struct head_parser *wire;
    phr_parse_fn *phr;
    llhttp_parse_fn *llhttp;
    double *rounds;
};

/* Makes the compiler believe that somebody reads the results. */
static void keep(const void *results) {
    __asm__ volatile("" : : "r"(results) : "memory");
}

static int parse_wire(const struct contender *contender, const char *bytes, size_t len) {
    static const struct head_limits limits = {.line = 8192, .head = 65536, .fields = FIELDS_MAX};
    struct field fields[FIELDS_MAX];
    struct head head;
    head_init(&head, fields);
    ssize_t used = contender->wire->parse(&head, (const uint8_t *)bytes, len, &limits);
    keep(fields);
    return used == (ssize_t)len ? (int)head.field_count : -1;
}

static int parse_phr(const struct contender *contender, const char *bytes, size_t len) {
    struct phr_field fields[FIELDS_MAX];
    size_t field_count = FIELDS_MAX;
    const char *method;
    const char *path;
    size_t method_len;
    size_t path_len;
    int minor;
    int used = contender->phr(bytes, len, &method, &method_len, &path, &path_len, &minor, fields,
                              &field_count, 0);
    keep(fields);
    return used == (int)len ? (int)field_count : -1;
}

static int parse_llhttp(const struct contender *contender, const char *bytes, size_t len) {
    return contender->llhttp(bytes, len);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

/* ns per head over about ROUND_NS. */
static double time_round(const struct contender *contender, const char *bytes, size_t len) {
    double start = now();
    double elapsed;
    long heads = 0;
    do {
        for (int i = 0; i < 1000; i++) {
            if (contender->parse(contender, bytes, len) < 0) {
                fprintf(stderr, "%s does not accept the head\n", contender->name);
                exit(1);
            }
        }
        heads += 1000;
        elapsed = now() - start;
    } while (elapsed < ROUND_NS);
    return elapsed / (double)heads;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(65536);
    if (!file || !bytes) {
        perror(path);
        exit(1);
    }
    *len = fread(bytes, 1, 65536, file);
    fclose(file);
    return bytes;
}

static void *symbol_of(const char *library, const char *name) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, name) : NULL;
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return symbol;
}

static size_t contenders_of(int argc, char **argv, struct contender *contenders) {
    size_t count;
    const struct head_parser *const *parsers = head_parsers(&count);
    for (size_t i = 0; i < count; i++) {
        contenders[i] = (struct contender){parsers[i]->name, parse_wire, .wire = parsers[i]};
    }
    for (int i = 3; i + 2 < argc && count < CONTENDERS_MAX; i += 3) {
        struct contender *contender = &contenders[count++];
        *contender = (struct contender){.name = argv[i + 1]};
        if (strcmp(argv[i], "phr") == 0) {
            contender->parse = parse_phr;
            *(void **)&contender->phr = symbol_of(argv[i + 2], "phr_parse_request");
        } else {
            contender->parse = parse_llhttp;
            *(void **)&contender->llhttp = symbol_of(argv[i + 2], "llhttp_adapter_parse");
        }
    }
    return count;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s HEAD-FILE ROUNDS [phr|llhttp NAME LIBRARY]...\n", argv[0]);
        return 2;
    }
    size_t len;
    char *bytes = read_file(argv[1], &len);
    size_t rounds = strtoul(argv[2], NULL, 10);
    struct contender contenders[CONTENDERS_MAX];
    size_t count = contenders_of(argc, argv, contenders);
    for (size_t i = 0; i < count; i++) {
        contenders[i].rounds = calloc(rounds + 1, sizeof(double));
        if (!contenders[i].rounds) {
            return 1;
        }
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            contenders[i].rounds[round] = time_round(&contenders[i], bytes, len);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct contender *contender = &contenders[i];
        qsort(contender->rounds, rounds, sizeof(double), compare);
        printf("%s\t%.1f\t%.1f\t%d\n", contender->name, contender->rounds[rounds / 2],
               contender->rounds[0], contender->parse(contender, bytes, len));
        free(contender->rounds);
    }
    free(bytes);
    return 0;
}

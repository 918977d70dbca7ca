/* What helpers of the tests rely on, and laws that they watch: broken, the program ends there.
 * (CHECK of test.h belongs to the one file of a test program that has its main.) */
#ifndef UNIT_MUST_H
#define UNIT_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif

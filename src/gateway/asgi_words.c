/* See asgi_words.h. */
#include "gateway/asgi_words.h"

#include "base/banned.h"

int asgi_words_init(struct asgi_words *words) {
#define X(field, spelling)                                                                         \
    words->field = PyUnicode_InternFromString(spelling);                                           \
    if (!words->field) {                                                                           \
        return -1;                                                                                 \
    }
    ASGI_WORDS(X)
#undef X
    return 0;
}

void asgi_words_clear(struct asgi_words *words) {
#define X(field, spelling) Py_CLEAR(words->field);
    ASGI_WORDS(X)
#undef X
}

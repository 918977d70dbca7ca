/* Calls that cannot be used safely are errors at compile time.
 * Included last by every C file of the project; adds nothing else. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#pragma GCC poison sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atoll gets
#undef alloca /* a macro where _GNU_SOURCE is defined */
#pragma GCC poison alloca strdup strndup

#endif

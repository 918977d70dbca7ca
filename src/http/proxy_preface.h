/* The PROXY protocol (wire/proxy_protocol.h) as the preface of a connection (net/preface.h). */
#ifndef HTTP_PROXY_PREFACE_H
#define HTTP_PROXY_PREFACE_H

#include "net/preface.h"

/* Of PROXY_HEADER_MAX bytes at the most. */
preface_read_fn proxy_preface_read;

#endif

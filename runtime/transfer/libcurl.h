#ifndef LUNASTALK_TRANSFER_LIBCURL_H
#define LUNASTALK_TRANSFER_LIBCURL_H
/* The functions of libcurl that are used, as a struct of pointers for library_load(). */
#include <curl/curl.h>

#define LIBCURL_FILE "libcurl.so.4"

// clang-format off
#define LIBCURL_FUNCTIONS(FUNCTION) \
    FUNCTION(global_init) FUNCTION(global_cleanup) FUNCTION(free) \
    FUNCTION(slist_append) FUNCTION(slist_free_all) \
    FUNCTION(url) FUNCTION(url_set) FUNCTION(url_get) FUNCTION(url_cleanup) \
    FUNCTION(easy_init) FUNCTION(easy_setopt) FUNCTION(easy_getinfo) FUNCTION(easy_strerror) FUNCTION(easy_cleanup) \
    FUNCTION(multi_init) FUNCTION(multi_setopt) FUNCTION(multi_assign) FUNCTION(multi_add_handle) \
    FUNCTION(multi_remove_handle) FUNCTION(multi_socket_action) FUNCTION(multi_info_read) FUNCTION(multi_cleanup)
// clang-format on

struct libcurl {
#define POINTER(name) __typeof__(curl_##name) *name;
    LIBCURL_FUNCTIONS(POINTER)
#undef POINTER
};

#define NAME(name) "curl_" #name,
static const char *const libcurl_names[] = {LIBCURL_FUNCTIONS(NAME)};
#undef NAME

#endif

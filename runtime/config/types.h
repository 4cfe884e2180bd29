#ifndef LUNASTALK_CONFIG_TYPES_H
#define LUNASTALK_CONFIG_TYPES_H
/* The types of options, with the members that they set. */
#include "config/schema.h"

// text.c
extern const struct type type_text;   // const char *: what `accepts` takes
extern const struct type type_path;   // const char *, made absolute
extern const struct type type_secret; // const char *, never shown
extern const struct type type_texts;  // const char *const *, without duplicates, and a size_t counter
// number.c
extern const struct type type_number;       // unsigned
extern const struct type type_milliseconds; // unsigned, a duration
extern const struct type type_seconds;      // unsigned, a duration of whole seconds
extern const struct type type_size;         // uint64_t, bytes
// boolean.c
extern const struct type type_boolean; // bool
// sinks.c
extern const struct type type_sinks;       // const struct config_sink *, and a size_t counter
extern const struct type type_sink_levels; // the level of every sink that is there, but for mail
// settings.c
extern const struct type type_settings; // const char *: a JSON object

#endif

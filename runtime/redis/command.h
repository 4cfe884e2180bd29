#ifndef LUNASTALK_REDIS_COMMAND_H
#define LUNASTALK_REDIS_COMMAND_H
/* A command that is put together. Zero-initialise. The words are borrowed. */
#include <stddef.h>

enum { REDIS_WORDS = 40 };

struct redis_command {
    int count;
    const char *words[REDIS_WORDS];
    size_t sizes[REDIS_WORDS];
};

/* One more word; more than REDIS_WORDS abort. */
void redis_word(struct redis_command *command, const char *text);
void redis_bytes(struct redis_command *command, const char *bytes, size_t size);

#endif

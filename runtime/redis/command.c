#include "redis/command.h"

#include <stdlib.h>
#include <string.h>

void redis_word(struct redis_command *command, const char *text)
{
    redis_bytes(command, text, strlen(text));
}

void redis_bytes(struct redis_command *command, const char *bytes, size_t size)
{
    if (command->count == REDIS_WORDS)
        abort(); // a bug of ours: no command grows with its input
    command->words[command->count] = bytes;
    command->sizes[command->count++] = size;
}

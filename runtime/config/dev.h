#ifndef LUNASTALK_CONFIG_DEV_H
#define LUNASTALK_CONFIG_DEV_H
/*
 * The `lunastalk dev` that lives in a project. While it does, it holds .lunastalk/lock locked, and .lunastalk/dev.json
 * says where its servers are: {"pid":4711,"beanstalkd":"127.0.0.1:24012","redis":"127.0.0.1:24013"}. Without the lock
 * that file is what one that was killed has left, and means nothing.
 */
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DEV_DIRECTORY ".lunastalk"

enum { DEV_ADDRESS = 32 };

struct dev {
    int64_t pid;
    char beanstalkd[DEV_ADDRESS], redis[DEV_ADDRESS]; // "host:port"
};

/* Whether one lives in the project at `directory`. What another user left there does not count. */
bool dev_find(const char *directory, struct dev *dev);
/* The path of the current directory or of the nearest one above it in which one lives, freed with free(); or NULL. */
char *dev_above(void);

/* Makes .lunastalk/ here and claims the project until this process ends. 0; or -1 and `error`: another one lives. */
int dev_claim(struct error *error);
/* Makes it known where the servers are. 0, or -1 and `error`. */
int dev_publish(const struct dev *dev, struct error *error);
void dev_withdraw(void);

#endif

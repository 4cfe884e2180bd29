#ifndef LUNASTALK_WORKER_IDENTITY_H
#define LUNASTALK_WORKER_IDENTITY_H
/* The two names of a worker that the talk recommends. */

struct identity {
    char id[192];      // "{host}_{name}{n}": the same in every life of this worker
    char instance[33]; // 32 hex digits, new with each start
    char host[65];
    char pool[101]; // the name without number: what its fellow workers have too
};

/* `name` NULL: supervisord's group when it started us, else "worker". */
void identity_make(struct identity *identity, const char *name, unsigned number);

#endif

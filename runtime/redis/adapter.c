#include "redis/adapter.h"

#include "base/memory.h"

#include <hiredis/async.h>
#include <stdlib.h>

struct adapter {
    uv_poll_t poll;
    redisAsyncContext *context; // NULL once hiredis has let go
    int events;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct adapter *adapter = poll->data;
    int wanted = adapter->events;
    // An error ends the poll: whatever hiredis waits for will find it.
    if (status < 0)
        events = wanted;
    if (adapter->context && events & wanted & UV_READABLE)
        redisAsyncHandleRead(adapter->context);
    if (adapter->context && events & wanted & UV_WRITABLE)
        redisAsyncHandleWrite(adapter->context);
}

static void want(struct adapter *adapter, int events)
{
    if (adapter->events == events)
        return;
    adapter->events = events;
    if (events)
        uv_poll_start(&adapter->poll, events, on_poll);
    else
        uv_poll_stop(&adapter->poll);
}

static void add_read(void *data)
{
    struct adapter *adapter = data;
    want(adapter, adapter->events | UV_READABLE);
}

static void remove_read(void *data)
{
    struct adapter *adapter = data;
    want(adapter, adapter->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct adapter *adapter = data;
    want(adapter, adapter->events | UV_WRITABLE);
}

static void remove_write(void *data)
{
    struct adapter *adapter = data;
    want(adapter, adapter->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void cleanup(void *data)
{
    struct adapter *adapter = data;
    adapter->context = NULL;
    uv_close((uv_handle_t *)&adapter->poll, on_closed);
}

int adapter_attach(redisAsyncContext *context, uv_loop_t *loop)
{
    struct adapter *adapter = mem_new(sizeof *adapter);
    if (uv_poll_init(loop, &adapter->poll, context->c.fd) != 0) {
        free(adapter);
        return -1;
    }
    adapter->poll.data = adapter;
    adapter->context = context;
    context->ev.data = adapter;
    context->ev.addRead = add_read;
    context->ev.delRead = remove_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = remove_write;
    context->ev.cleanup = cleanup;
    return 0;
}

#include "worker/sinks.h"

#include "log/log.h"
#include "redis/sink_redis.h"
#include "worker/mailer.h"

void sinks_open(struct sinks *sinks, uv_loop_t *loop, const struct identity *identity)
{
    *sinks = (struct sinks){.loop = loop, .identity = identity};
    list_init(&sinks->mailers);
    uv_timer_init(loop, &sinks->deadline);
    sinks->deadline.data = sinks;
    log_provide(CONFIG_SINK_REDIS, &sink_redis, &sinks->redis);
    log_provide(CONFIG_SINK_EMAIL, &sink_email, sinks);
}

void sinks_connect(struct sinks *sinks, struct redis *redis)
{
    sinks->redis = redis;
}

static void close_all(struct sinks *sinks)
{
    struct transfer_loop *transfers = sinks->transfers;
    sinks->transfers = NULL;
    if (transfers)
        transfer_loop_close(transfers);
    if (!uv_is_closing((uv_handle_t *)&sinks->deadline))
        uv_close((uv_handle_t *)&sinks->deadline, NULL);
}

static void on_deadline(uv_timer_t *timer)
{
    close_all(timer->data);
}

void sinks_mailed(struct sinks *sinks)
{
    if (sinks->stopping && !mailers_busy(sinks))
        uv_timer_start(&sinks->deadline, on_deadline, 0, 0); // not from within one of libcurl's callbacks
}

void sinks_stop(struct sinks *sinks, unsigned limit_ms)
{
    sinks->stopping = true;
    uv_timer_start(&sinks->deadline, on_deadline, limit_ms, 0);
    mailers_stop(sinks);
    sinks_mailed(sinks);
}

#include "worker/letter.h"

#include "config/secret.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

/* The worker's id without the host, which stands before it in a subject. */
static const char *short_name(const struct identity *identity)
{
    return identity->id + strlen(identity->host) + 1;
}

static void send_letter(struct sinks *sinks, const struct config_sink *config, const char *password,
    const struct digest *digest, mail_done *done, void *context)
{
    const struct identity *identity = sinks->identity;
    struct buffer subject = {0}, text = {0};
    struct timeval now;
    char id[96], from[80];
    gettimeofday(&now, NULL);
    snprintf(id, sizeof id, "%s.%lld.%06ld", identity->instance, (long long)now.tv_sec, (long)now.tv_usec);
    snprintf(from, sizeof from, "lunastalk@%s", *identity->host ? identity->host : "localhost");
    digest_subject(&subject, digest, identity->host, short_name(identity));
    digest_text(&text, digest, identity->id);
    const struct mail mail = {
        .server = config->email.server,
        .user = config->email.user,
        .password = password,
        .ca_file = config->email.ca_file,
        .from = config->email.from ? config->email.from : from,
        .addresses = config->email.address,
        .address_count = config->email.address_count,
        .subject = buffer_text(&subject),
        .subject_size = buffer_size(&subject),
        .text = buffer_text(&text),
        .size = buffer_size(&text),
        .time_ms = (uint64_t)now.tv_sec * 1000,
        .id = id,
    };
    if (!sinks->transfers)
        sinks->transfers = transfer_loop_new(sinks->loop);
    mail_send(sinks->transfers, &mail, done, context);
    buffer_free(&subject);
    buffer_free(&text);
}

int letter_send(struct sinks *sinks, const struct config_sink *config, const struct digest *digest, mail_done *done,
    void *context, struct error *error)
{
    char password[SECRET_ROOM];
    int result = secret_read(password, "log.password", config->email.password, config->email.password_file, error);
    if (result == 0)
        send_letter(sinks, config, password, digest, done, context);
    explicit_bzero(password, sizeof password);
    return result;
}

#include "transfer/mail.h"

#include "base/base64.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    CONNECT_LIMIT_MS = 5000,
    LIMIT_MS = 30 * 1000,
    WORD_BYTES = 39, // of UTF-8 in an encoded word, which has 75 characters at most
    LINE_BYTES = 57, // of the text in a line of base64, which has 76 at most
};

struct sending {
    struct transfer transfer;
    mail_done *done;
    void *context;
    struct buffer message; // what is still to be read by curl
};

static void on_done(struct transfer *transfer, CURLcode code)
{
    struct sending *sending = (struct sending *)transfer;
    bool aborted = code == CURLE_ABORTED_BY_CALLBACK; // by transfer_loop_close()
    sending->done(sending->context, code == CURLE_OK ? NULL
                                    : aborted        ? "the worker stops"
                                                     : transfer_why(transfer, code));
    transfer_free(transfer);
    buffer_free(&sending->message);
    free(sending);
}

/* ---- the message (RFC 5322) ---- */

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x7f)
            return false;
    return true;
}

void mail_subject(struct buffer *out, const char *text, size_t size)
{
    enum { PLAIN_MOST = 900 }; // a line has 998 at most (2.1.1)
    char *clean = mem_copy(text, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)clean[i] < ' ' || clean[i] == 0x7f)
            clean[i] = ' ';
    buffer_append_text(out, "Subject: ");
    if (is_ascii(clean, size) && size <= PLAIN_MOST && !strstr(clean, "=?")) {
        buffer_append(out, clean, size);
    } else {
        for (size_t at = 0, part; at < size; at += part) {
            part = utf8_cut(clean + at, size - at, WORD_BYTES);
            part = part ? part : size - at < WORD_BYTES ? size - at : WORD_BYTES;
            buffer_append_text(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
            base64_append(out, clean + at, part);
            buffer_append_text(out, "?=");
        }
    }
    buffer_append_text(out, "\r\n");
    free(clean);
}

static void put_date(struct buffer *out, uint64_t time_ms)
{
    char text[64];
    struct tm utc;
    time_t seconds = (time_t)(time_ms / 1000);
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &utc); // no locale is set: its names are English
    buffer_printf(out, "Date: %s\r\n", text);
}

static void compose(struct buffer *out, const struct mail *mail)
{
    buffer_printf(out, "From: <%s>\r\nTo: ", mail->from);
    for (size_t i = 0; i < mail->address_count; i++)
        buffer_printf(out, "%s<%s>", i ? ",\r\n " : "", mail->addresses[i]);
    buffer_append_text(out, "\r\n");
    mail_subject(out, mail->subject, mail->subject_size);
    put_date(out, mail->time_ms);
    buffer_printf(out, "Message-ID: <%s%s>\r\n", mail->id, strrchr(mail->from, '@'));
    buffer_append_text(out, "Auto-Submitted: auto-generated\r\n" // RFC 3834: no out-of-office answers
                            "MIME-Version: 1.0\r\n"
                            "Content-Type: text/plain; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: base64\r\n\r\n");
    for (size_t at = 0; at < mail->size; at += LINE_BYTES) {
        base64_append(out, mail->text + at, mail->size - at < LINE_BYTES ? mail->size - at : LINE_BYTES);
        buffer_append_text(out, "\r\n");
    }
}

/* ---- on its way ---- */

static size_t on_read(char *room, size_t size, size_t count, void *context)
{
    struct buffer *message = context;
    size_t most = size * count, some = buffer_size(message) < most ? buffer_size(message) : most;
    memcpy(room, buffer_data(message), some);
    buffer_consume(message, some);
    return some;
}

/*
 * libcurl ends with QUIT and waits for the answer, for minutes and in our loop: from then on there is none to wait for. It
 * says what it sends only when it is verbose.
 */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *context)
{
    static const char quit[] = "QUIT\r\n";
    const struct transfer *transfer = context;
    (void)easy;
    if (type == CURLINFO_HEADER_OUT && size == sizeof quit - 1 && memcmp(bytes, quit, size) == 0)
        shutdown(transfer->socket, SHUT_RD);
    return 0;
}

static void set_end(struct transfer *transfer)
{
    const struct libcurl *curl = &transfer->loop->curl;
    CURL *easy = transfer->easy;
    curl->easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl->easy_setopt(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)CONNECT_LIMIT_MS); // one socket at a time
    curl->easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl->easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl->easy_setopt(easy, CURLOPT_DEBUGDATA, transfer);
}

static void set_login(const struct libcurl *curl, CURL *easy, const struct mail *mail)
{
    bool certain = mail->user || mail->ca_file;
    curl->easy_setopt(easy, CURLOPT_USE_SSL, (long)(certain ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (mail->user) {
        curl->easy_setopt(easy, CURLOPT_USERNAME, mail->user);
        curl->easy_setopt(easy, CURLOPT_PASSWORD, mail->password);
    }
    if (!certain && strncmp(mail->server, "smtp://", 7) == 0) {
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (mail->ca_file)
        curl->easy_setopt(easy, CURLOPT_CAINFO, mail->ca_file);
}

static void set_envelope(struct sending *sending, const struct mail *mail)
{
    const struct libcurl *curl = &sending->transfer.loop->curl;
    CURL *easy = sending->transfer.easy;
    char address[320];
    for (size_t i = 0; i < mail->address_count; i++) {
        snprintf(address, sizeof address, "<%s>", mail->addresses[i]);
        sending->transfer.headers = curl->slist_append(sending->transfer.headers, address);
    }
    snprintf(address, sizeof address, "<%s>", mail->from);
    curl->easy_setopt(easy, CURLOPT_URL, mail->server);
    curl->easy_setopt(easy, CURLOPT_MAIL_FROM, address);
    curl->easy_setopt(easy, CURLOPT_MAIL_RCPT, sending->transfer.headers);
    curl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl->easy_setopt(easy, CURLOPT_READDATA, &sending->message);
}

void mail_send(struct transfer_loop *loop, const struct mail *mail, mail_done *done, void *context)
{
    struct error error;
    struct sending *sending = mem_new(sizeof *sending);
    sending->done = done;
    sending->context = context;
    sending->transfer.done = on_done;
    if (transfer_open(loop, &sending->transfer, "smtp,smtps", CONNECT_LIMIT_MS, LIMIT_MS, &error) < 0) {
        free(sending);
        done(context, error.text);
        return;
    }
    compose(&sending->message, mail);
    set_login(&loop->curl, sending->transfer.easy, mail);
    set_envelope(sending, mail);
    set_end(&sending->transfer);
    transfer_start(&sending->transfer);
}

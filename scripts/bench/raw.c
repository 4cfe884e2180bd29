/*
 * What beanstalkd itself can do: a client that reserves and deletes and does nothing else.
 *
 *   raw PORT put COUNT        puts COUNT no-op jobs of 150 bytes
 *   raw PORT put-ids COUNT    the same with an "id" each
 *   raw PORT drain DEPTH      reserves and deletes all that is ready, DEPTH at a time in flight (0: one command at a
 *                             time, each waits for its reply); prints "jobs seconds cpu_us_per_job"
 *   raw PORT retry DEPTH      the same for jobs that fail: stats-job, then bury, reserve-job and release for an hour in
 *                             place of delete
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 20, BODY = 150 };

static char in[ROOM], out[ROOM];
static size_t in_size, out_size;
static int server;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void append(const char *text)
{
    size_t size = strlen(text);
    memcpy(out + out_size, text, size);
    out_size += size;
}

static void flush(void)
{
    for (size_t at = 0; at < out_size;) {
        ssize_t written = write(server, out + at, out_size - at);
        if (written <= 0)
            die("write");
        at += (size_t)written;
    }
    out_size = 0;
}

static void fill(void)
{
    ssize_t size = read(server, in + in_size, ROOM - 1 - in_size);
    if (size <= 0)
        die("read");
    in_size += (size_t)size;
    in[in_size] = '\0';
}

/* The size of the reply at `at` with its body, 0 when it is not whole. */
static size_t whole(size_t at)
{
    unsigned long id, body;
    char *end = memchr(in + at, '\n', in_size - at);
    if (!end)
        return 0;
    size_t size = (size_t)(end + 1 - (in + at));
    if (sscanf(in + at, "RESERVED %lu %lu", &id, &body) == 2 || sscanf(in + at, "OK %lu", &body) == 1)
        size += body + 2;
    return at + size <= in_size ? size : 0;
}

static void append_put(const char *id)
{
    char body[BODY + 1], command[BODY + 64];
    int length =
        snprintf(body, sizeof body, "{\"job\":\"noop\",%s\"data\":{\"to\":\"someone@example.com\",\"body\":\"", id);
    memset(body + length, 'x', sizeof body - (size_t)length);
    memcpy(body + BODY - 3, "\"}}", 4);
    snprintf(command, sizeof command, "put 1024 0 60 %d\r\n%s\r\n", BODY, body);
    append(command);
}

static void put(unsigned long count, int ids)
{
    char id[40] = "";
    for (unsigned long done = 0; done < count;) {
        unsigned long batch = count - done < 500 ? count - done : 500, answered = 0;
        for (unsigned long i = 0; i < batch; i++) {
            if (ids)
                snprintf(id, sizeof id, "\"id\":\"bench-%lu\",", done + i);
            append_put(id);
        }
        flush();
        while (answered < batch) {
            fill();
            for (size_t i = 0; i < in_size; i++)
                answered += in[i] == '\n';
            in_size = 0;
        }
        done += batch;
    }
}

static void append_id(const char *before, unsigned long id, const char *after)
{
    char command[64];
    snprintf(command, sizeof command, "%s %lu%s\r\n", before, id, after);
    append(command);
}

/* Handles the replies that are there, which come in the order of their commands; returns how many jobs were settled, and
 * counts what is in flight. */
static unsigned long replies(unsigned *flying, int retry)
{
    static int buried; // the next RESERVED answers reserve-job
    unsigned long settled = 0, id;
    size_t at = 0, size;
    while ((size = whole(at)) > 0) {
        const char *reply = in + at;
        --*flying;
        if (sscanf(reply, "RESERVED %lu", &id) == 1) {
            if (!buried) {
                append_id(retry ? "stats-job" : "delete", id, "");
                ++*flying;
            }
            buried = 0;
        } else if (sscanf(reply, "OK %*u --- id: %lu", &id) == 1) {
            append_id("bury", id, " 1024");
            append_id("reserve-job", id, "");
            append_id("release", id, " 1024 3600");
            *flying += 3;
        } else if (strncmp(reply, "BURIED", 6) == 0) {
            buried = 1;
        } else if (strncmp(reply, "DELETED", 7) == 0 || strncmp(reply, "RELEASED", 8) == 0) {
            settled++;
            append("reserve-with-timeout 0\r\n");
            ++*flying;
        }
        at += size;
    }
    memmove(in, in + at, in_size - at);
    in_size -= at;
    return settled;
}

static void drain(unsigned depth, int retry)
{
    struct timespec start, end;
    struct rusage usage;
    unsigned long jobs = 0;
    unsigned flying = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned i = 0; i < (depth ? depth : 1); i++, flying++)
        append("reserve-with-timeout 0\r\n");
    while (flying) {
        flush();
        fill();
        jobs += replies(&flying, retry);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("%lu %.3f %.1f\n", jobs, seconds, jobs ? cpu / (double)jobs : 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    if (argc != 4)
        return 64;
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (strncmp(argv[2], "put", 3) == 0)
        put(strtoul(argv[3], NULL, 10), strcmp(argv[2], "put-ids") == 0);
    else
        drain((unsigned)atoi(argv[3]), strcmp(argv[2], "retry") == 0);
    return 0;
}

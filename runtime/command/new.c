#include "base/embed.h"
#include "command/command.h"
#include "command/options.h"
#include "command/owner.h"
#include "job/envelope.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

EMBED(template_handler, "runtime/command/templates/handler.lua")
EMBED(template_spec, "runtime/command/templates/spec.lua")
EMBED(template_busted, "runtime/command/templates/busted.lua")

static const char details[] =
    "NAME is that of the job: small letters, digits and _, in directories by dots.\n"
    "\n"
    "  lunastalk new send_invoice         jobs/send_invoice.lua and spec/jobs/send_invoice_spec.lua\n"
    "  lunastalk new email.invoice        jobs/email/invoice.lua and spec/jobs/email/invoice_spec.lua\n"
    "\n"
    "Both work at once: `lunastalk test` runs the spec. A .busted file is left too where there is none, with which\n"
    "plain `busted` works. No file is overwritten. Root becomes the owner of the project.\n"
    "\n"
    "Exit codes: 0 written; 1 not: a file is there already, or cannot be written; 64 wrong usage;\n"
    "78 the configuration is wrong.\n";

/* A file to be written: its path, and what it says. */
struct file {
    char path[PATH_MAX];
    const char *start, *end;
};

/* Appends the template with the names of this handler in it. */
static void fill(struct buffer *out, const struct file *file, const char *name, const char *base)
{
    static const char mark[] = "HANDLER", file_mark[] = "HANDLER_FILE";
    const char *at = file->start;
    for (const char *next; (next = memmem(at, (size_t)(file->end - at), mark, sizeof mark - 1)); at = next) {
        bool of_file =
            (size_t)(file->end - next) >= sizeof file_mark && memcmp(next, file_mark, sizeof file_mark - 1) == 0;
        buffer_append(out, at, (size_t)(next - at));
        buffer_append_text(out, of_file ? base : name);
        next += of_file ? sizeof file_mark - 1 : sizeof mark - 1;
    }
    buffer_append(out, at, (size_t)(file->end - at));
}

/* Those of its directories that are not there. */
static int make_directories(char *path)
{
    int failed = 0;
    for (char *slash = strchr(path + 1, '/'); slash && !failed; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        failed = mkdir(path, 0777) != 0 && errno != EEXIST;
        *slash = '/';
    }
    return failed ? -1 : 0;
}

/* All of it or none. */
static int write_file(struct file *file, const struct buffer *text)
{
    int fd = make_directories(file->path) < 0 ? -1 : open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool written = false;
    if (fd >= 0) {
        errno = ENOSPC; // when a part is written, which is no error to write()
        written = write(fd, buffer_data(text), buffer_size(text)) == (ssize_t)buffer_size(text);
        written = close(fd) == 0 && written;
    }
    if (written)
        return 0;
    fprintf(stderr, "lunastalk new: cannot write %s: %s\n", file->path, strerror(errno));
    if (fd >= 0)
        unlink(file->path);
    return -1;
}

/* `path` as a person in `directory` would say it. */
static const char *shown(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

/* All of them or none. */
static int create(struct file *files, size_t count, const char *name, const char *base, const char *directory)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer text = {0};
        fill(&text, &files[i], name, base);
        int failed = write_file(&files[i], &text);
        buffer_free(&text);
        if (failed) {
            while (i--)
                unlink(files[i].path);
            return EXIT_FAILED;
        }
    }
    for (size_t i = 0; i < count; i++)
        printf("created %s\n", shown(files[i].path, directory));
    printf("next: lunastalk test\n");
    return EXIT_DONE;
}

static int begin(const struct config *config, const char *name)
{
    struct error error;
    char base[ENVELOPE_NAME_LONGEST + 1];
    struct file files[] = {
        {.start = template_handler, .end = template_handler_end},
        {.start = template_spec, .end = template_spec_end},
        {.start = template_busted, .end = template_busted_end},
    };
    snprintf(base, sizeof base, "%s", name);
    for (char *dot = base; (dot = strchr(dot, '.'));)
        *dot = '/';
    snprintf(files[0].path, PATH_MAX, "%s/%s.lua", config->jobs.path, base);
    snprintf(files[1].path, PATH_MAX, "%s/spec/jobs/%s_spec.lua", config->directory, base);
    snprintf(files[2].path, PATH_MAX, "%s/.busted", config->directory);
    for (int i = 0; i < 2; i++)
        if (access(files[i].path, F_OK) == 0) {
            fprintf(stderr, "lunastalk new: %s is there already; nothing was written\n",
                shown(files[i].path, config->directory));
            return EXIT_FAILED;
        }
    if (owner_become(config->directory, &error) < 0) { // the files are to be his
        fprintf(stderr, "lunastalk new: %s\n", error.text);
        return EXIT_FAILED;
    }
    return create(files, access(files[2].path, F_OK) == 0 ? 2 : 3, name, base, config->directory);
}

static bool ends_with_lua(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".lua") == 0;
}

/* What the name would be of what was typed: a path, other separators, capitals. */
static bool guess(char name[ENVELOPE_NAME_LONGEST + 1], const char *typed)
{
    if (strncmp(typed, "jobs/", 5) == 0)
        typed += 5;
    size_t size = strlen(typed) - (ends_with_lua(typed) ? 4 : 0);
    if (size > ENVELOPE_NAME_LONGEST)
        return false;
    for (size_t i = 0; i < size; i++)
        name[i] = typed[i] == '/'                      ? '.'
                  : typed[i] == '-' || typed[i] == ' ' ? '_'
                                                       : (char)tolower((unsigned char)typed[i]);
    name[size] = '\0';
    return envelope_name_valid(name, size);
}

static int refuse(const char *typed)
{
    char name[ENVELOPE_NAME_LONGEST + 1];
    bool guessed = guess(name, typed);
    fprintf(stderr,
        "lunastalk new: '%s' is no handler's name: segments of a-z 0-9 _ joined by dots, none of which begins with _, "
        "without .lua; 'lib' is for shared code%s%s%s\n",
        typed, guessed ? "; did you mean " : "", guessed ? name : "", guessed ? "?" : "");
    return EXIT_USAGE;
}

int command_new(int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    const struct options options = {
        .command = "new",
        .usage = "NAME",
        .summary = "Begins a handler, with its spec",
        .details = details,
        .specs = specs,
        .least = 1,
        .most = 1,
    };
    int count, exit_code;
    struct config *config = options_parse(&options, argc, argv, &count, &exit_code);
    if (!config)
        return exit_code;
    exit_code = envelope_name_valid(argv[0], strlen(argv[0])) && !ends_with_lua(argv[0]) ? begin(config, argv[0])
                                                                                         : refuse(argv[0]);
    config_free(config);
    return exit_code;
}

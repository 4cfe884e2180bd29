#ifndef LUNASTALK_CONFIG_RULES_H
#define LUNASTALK_CONFIG_RULES_H
/* What a text must look like to be a name of some kind. The RULES_… texts finish "must be …". */
#include <stdbool.h>

/* Goes into the worker's id, which is a field name in Redis and a word in logs. */
#define RULES_NAME "1 to 64 characters of A-Z a-z 0-9 . _ -"
bool rules_name(const char *text);

/* beanstalkd's own rule. */
#define RULES_TUBE "names of 1 to 200 characters of A-Z a-z 0-9 - + / ; . $ _ ( ), with no - in front"
bool rules_tube(const char *text);

/* What a request may go to although it is not public: a host as it stands in URLs, an address, or a range. */
#define RULES_ALLOW "host names, addresses, or ranges such as 10.0.0.0/8"
bool rules_allow(const char *text);

#define RULES_SECRET "a text of 1 to 256 characters, in quotes"
bool rules_secret(const char *text);

/* A key of Redis, or a name there: what can be shown as it is. */
#define RULES_KEY "1 to 200 characters, none of them a control character"
bool rules_key(const char *text);
#define RULES_PREFIX "at most 200 characters, none of them a control character"
bool rules_prefix(const char *text);

#define RULES_ON_CHANGE "reload or exit"
bool rules_on_change(const char *text);

#define RULES_SERVER "host:port, [IPv6 address]:port or unix:/path"
bool rules_server(const char *text);

/* Where mail is handed in; the path is of no meaning in SMTP. */
#define RULES_MAIL_SERVER "smtp://host, smtp://host:port or smtps://host"
bool rules_mail_server(const char *text);

/* An address as it stands in an envelope (RFC 5321): printable ASCII, no < > or blanks. */
#define RULES_ADDRESS "a mail address such as ops@example.org"
bool rules_address(const char *text);

/* UTF-8, so that it can be logged and printed as it is. */
#define RULES_PATH "a path"
bool rules_path(const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as its parts see it. Commands come from the specification inside the program: an
 * operation "hosts.list" is the command "host list"; its parameters and body are flags.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>

#include "base/buf.h"
#include "base/ctx.h"

struct ud_zone;

/* Exit codes, a contract with scripts. */
enum {
	CLI_DONE = 0,
	CLI_UNEXPECTED = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_NOT_ALLOWED = 4,
	CLI_CONFLICT = 5,
	CLI_REFUSED = 6,
	CLI_FAILED = 7,
	CLI_TIMEOUT = 8,
	CLI_UNREACHABLE = 9,
};

enum { CLI_MAX_WORDS = 16, CLI_MAX_FLAGS = 64 };

struct cli_flag {
	const char *name, *value; /* value NULL = a switch */
	bool used;
};

/* One run. */
struct cli {
	struct ud_ctx cx;
	json_t *spec;
	const char *words[CLI_MAX_WORDS]; /* arguments that are not flags */
	size_t word_count;
	struct cli_flag flags[CLI_MAX_FLAGS];
	size_t flag_count;
	const char *url, *token;
	bool explain, verbose, quiet, no_input, yes;
	const char *told;     /* the last line about a wait's progress */
	bool new_context;     /* signing in may make the context it names */
	bool code_wanted;     /* the last sign-in asked for a second factor */
	const char *output;   /* table, wide, json, yaml, csv, name */
	const char *jq;       /* program that answers go through, or NULL */
	struct ud_zone *zone; /* whose clocks show instants to people; NULL = UTC */
};

/* Say why on standard error; returns the code. */
int ud_cli_fail(int code, const char *format, ...) UD_PRINTF(2, 3);

/* ---- args.c ---- */
/* Take argv apart into words and flags and read the general flags. An exit code, CLI_DONE to go on.
 */
int ud_cli_args(struct cli *c, int argc, char **argv);
/* Value of a flag, or NULL; marks it as used. "" for a switch. */
const char *ud_cli_flag(struct cli *c, const char *name);
/* CLI_USAGE when a flag was not used by anybody. */
int ud_cli_check_flags(const struct cli *c);

/* ---- commands.c ---- */
/* One operation of the specification as a command. */
struct cli_command {
	const char *method, *path, *id; /* id = operationId */
	json_t *operation;
};
/* "host list" for "hosts.list", in the arena; NULL for what is no command. */
const char *ud_cli_command_name(struct cli *c, const char *operation_id);
/* Find the command that the words begin with; *ret_used = how many words it took. */
bool ud_cli_command_find(struct cli *c, struct cli_command *ret, size_t *ret_used);
/* Visit all commands in the specification's order. */
void ud_cli_command_each(struct cli *c,
	void (*visit)(struct cli *c, const struct cli_command *cmd, void *data), void *data);
/* A schema with its $ref followed. */
json_t *ud_cli_schema(const struct cli *c, json_t *schema);
/* Schema of the command's body, or NULL; of its answer (the item for lists), or NULL. */
json_t *ud_cli_body_schema(const struct cli *c, const struct cli_command *cmd);
json_t *ud_cli_answer_schema(const struct cli *c, const struct cli_command *cmd);
/* Does the path name an object by words: how many {…}? */
size_t ud_cli_path_args(const char *path);

/* ---- http.c ---- */
struct cli_reply {
	int status; /* 0 = no answer */
	struct ud_buf body;
	json_t *json;
	char etag[64];
	bool attachment; /* the server means it to be kept as it is */
};
/* One call; prints curl's equivalent instead with --explain (status 0, *ret untouched, true). */
bool ud_cli_call(struct cli *c, const char *method, const char *path, const char *body,
	const char *header, struct cli_reply *ret);
void ud_cli_reply_free(struct cli_reply *r);
/* The exit code of an answer, its problem said on standard error. */
int ud_cli_reply_code(const struct cli *c, const struct cli_reply *r);
/* The exit code that stands for a status. */
int ud_cli_status_code(int status);
/* GET a stream of text and hand each line to a function until it ends. An exit code. */
int ud_cli_follow(struct cli *c, const char *path, void (*line)(struct cli *c, const char *text));

/* POST a file's bytes as they are. */
void ud_cli_send(struct cli *c, const char *path, const char *data, size_t n, const char *header,
	struct cli_reply *ret);

/* ---- attach.c ---- */
/* ticket attach TICKET FILE [--internal]; an exit code. */
int ud_cli_run_attach(struct cli *c);

/* ---- names.c ---- */
/* What ids of this beginning name, and where they are listed. */
struct cli_kind {
	const char *prefix, *object, *collection;
};
/* What the id in a field or a query parameter names, by its schema or its name; NULL = nothing that
 * has a name. */
const struct cli_kind *ud_cli_named(const char *field, json_t *schema);
/* The id for a flag's text that may be a name; other texts as they are. An exit code. */
int ud_cli_reference(
	struct cli *c, const char *field, json_t *schema, const char *text, const char **ret);

/* ---- batch.c ---- */
/* A JSON document: itself, @FILE or - (standard input); NULL when it is none. */
json_t *ud_cli_document(const char *text);
/* Print what became of a batch; the exit code of the first of its calls that failed. */
int ud_cli_batch_print(struct cli *c, json_t *json);

/* ---- examples.c ---- */
/* A call of the command that can be typed as it stands, in the arena. */
const char *ud_cli_example(struct cli *c, const struct cli_command *cmd);

/* ---- save.c ---- */
/* Keep an answer's bytes in a file, as they came; "-" = standard output. An exit code. */
int ud_cli_save(struct cli *c, const struct cli_reply *r, const char *path);
/* failover evidence RUN [--file FILE]: what is known of a run's record, or the record itself. */
int ud_cli_run_evidence(struct cli *c);

/* ---- context.c ---- */
/* Fill url and token from flags, environment and the file of contexts. */
int ud_cli_context_load(struct cli *c);
/* The commands context … and auth …; an exit code. */
int ud_cli_context_run(struct cli *c);
int ud_cli_auth_run(struct cli *c);

/* ---- session.c ---- */
/* Sign in with {email, password, totp?} and make a personal token. An exit code; *ret in the arena.
 */
int ud_cli_session_token(struct cli *c, json_t *login, const char **ret);
/* Show a code and wait until somebody who is signed in has approved it. An exit code: CLI_TIMEOUT
 * when nobody did, CLI_NOT_ALLOWED when they refused; *ret in the arena. */
int ud_cli_device_token(struct cli *c, const char **ret);

/* ---- can.c ---- */
/* auth can VERB THING: whether the role allows it. An exit code: CLI_NOT_ALLOWED for no. */
int ud_cli_run_can(struct cli *c);

/* ---- topics.c ---- */
/* Print what is to be said of a topic; false when there is none of that name. */
bool ud_cli_topic(const char *name);
/* Print the names of all. */
void ud_cli_topics(void);

/* ---- zone.c ---- */
/* Read --time-zone, unless it is a field of what the command takes. An exit code. */
int ud_cli_zone(struct cli *c, bool is_field);
/* An instant as clocks of that zone show it, in the arena; other texts as they are. */
const char *ud_cli_local(struct cli *c, const char *text);

/* ---- status.c ---- */
/* status: protection, runs, tickets and drills on one screen; an exit code. */
int ud_cli_run_status(struct cli *c);

/* ---- output.c ---- */
/* Print an answer in the wanted format; schema tells the columns (may be NULL). */
int ud_cli_print(struct cli *c, json_t *json, json_t *schema);
/* A member's text, "" when it has none; its number, else the standard. */
const char *ud_cli_text(json_t *row, const char *key);
int64_t ud_cli_int(json_t *row, const char *key, int64_t standard);

/* ---- jq.c ---- */
/* Print an answer through c->jq; an exit code: CLI_USAGE for a program that is none. */
int ud_cli_jq(struct cli *c, json_t *json);

/* ---- run.c ---- */
int ud_cli_run_operation(struct cli *c, const struct cli_command *cmd, size_t used);
int ud_cli_run_api(struct cli *c);
int ud_cli_run_wait(struct cli *c);
/* The id of what is named so in a collection; several candidates are listed and refused. An exit
 * code. */
int ud_cli_resolve(struct cli *c, const char *collection, const char *name, const char **ret);
/* The same without a word: is there one of this kind with this name or id? Then *ret is its id. */
bool ud_cli_find(struct cli *c, const char *collection, const char *prefix, const char *name,
	const char **ret);
/* Seconds of "10m", "30s", "2h", "90"; 10 minutes for what is no number. */
int64_t ud_cli_seconds(const char *text);
int ud_cli_run_follow(struct cli *c);

/* A text as a part of a query, in the arena. */
const char *ud_cli_percent(struct cli *c, const char *text);
/* Does a schema take this JSON type? */
bool ud_cli_has_type(json_t *schema, const char *type);

/* ---- files.c ---- */
/* Where a document was found: a member of it that no resource has. */
#define CLI_WHERE "#where"
/* Append the documents of a file, of standard input ("-"), or of all NAME.json of a folder. An exit
 * code. */
int ud_cli_documents(struct cli *c, const char *path, json_t *all);
/* Append a document for each row of a table; fields are the properties of the thing's body. */
int ud_cli_table(struct cli *c, const char *path, const char *object, json_t *fields, json_t *all);

/* ---- apply.c ---- */
/* apply -f FILE…, diff -f FILE…; import csv KIND FILE. Exit codes. */
int ud_cli_run_apply(struct cli *c);
int ud_cli_run_import(struct cli *c);
/* The call that makes a thing of this kind ("recovery_plan"), and the fields of its body. */
bool ud_cli_kind(struct cli *c, const char *object, struct cli_command *ret, json_t **ret_fields);

/* ---- replication.c ---- */
int ud_cli_run_top(struct cli *c);
int ud_cli_run_unprotect(struct cli *c);
/* "1.2 MB" in powers of a thousand, in the arena; "-" below 0. */
const char *ud_cli_bytes(struct cli *c, int64_t n);

/* ---- failover.c ---- */
/* failover request KIND PLAN|VM…, failover preview-failback PLAN|VM…; exit codes. */
int ud_cli_run_request(struct cli *c);
int ud_cli_run_preview(struct cli *c);
/* Ask for a failover of a kind about the words from first on; reason NULL = by flag, or the usual
 * one of tests. dry = only look; then CLI_REFUSED says that something stands in the way. */
int ud_cli_request(struct cli *c, const char *kind, size_t first, const char *reason, bool dry);

/* ---- watch.c ---- */
/* ticket watch TICKET, failover watch RUN: what happens, until it has ended; exit codes. */
int ud_cli_run_watch_ticket(struct cli *c);
int ud_cli_run_watch_run(struct cli *c);

/* ---- drill.c ---- */
/* drill list | due | schedule | run | calendar; an exit code. */
int ud_cli_run_drill(struct cli *c);
/* ---- audit.c ---- */
/* audit export [--file FILE]; an exit code. */
int ud_cli_run_audit_export(struct cli *c);

/* ---- evidence.c ---- */
/* verify FILE [--key HEX], of a run's record or of an audit log; an exit code. */
int ud_cli_verify(struct cli *c);

/* ---- help.c ---- */
int ud_cli_help(struct cli *c);
int ud_cli_man(struct cli *c);
int ud_cli_completion(struct cli *c);
/* Candidates for the word being typed; the words before it are in c->words. */
int ud_cli_complete(struct cli *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An installation on disk: folder, configuration, keys. What understudyd's commands share.
 */
#ifndef SERVER_ADMIN_INSTALLATION_H
#define SERVER_ADMIN_INSTALLATION_H

#include "base/options.h"
#include "server/http/server.h"

struct ud_installation {
	const char *dir; /* folder of the configuration file */
	struct ud_options options;
	struct ud_keys keys;
	const char *database_url;
};

/* Read configuration and keys. Every wrong line is reported in cx->problem.detail.
 * UD_E_UNAVAILABLE, UD_E_VALIDATION. */
enum ud_code ud_installation_load(
	struct ud_ctx *cx, const char *config, struct ud_installation *ret) UD_USE;
/* The same without the keys, and these alone. */
enum ud_code ud_installation_options(
	struct ud_ctx *cx, const char *config, struct ud_installation *ret) UD_USE;
enum ud_code ud_installation_keys(struct ud_ctx *cx, const char *dir, struct ud_keys *ret) UD_USE;
/* The way that letters leave, by [mail]. UD_E_VALIDATION, UD_E_UNAVAILABLE. */
enum ud_code ud_installation_mail(
	struct ud_ctx *cx, const struct ud_options *o, struct ud_smtp *ret) UD_USE;
/* First line of a secret's file; "" = there is none, and *ret stays. UD_E_UNAVAILABLE. */
enum ud_code ud_installation_secret(struct ud_ctx *cx, const char *path, const char **ret) UD_USE;
/* Make fresh keys and store them, readable by the owner alone. */
enum ud_code ud_installation_make_keys(struct ud_ctx *cx, const char *dir) UD_USE;
/* Settings of the HTTP machinery from the options. Texts live in the arena. */
enum ud_code ud_installation_settings(
	struct ud_ctx *cx, const struct ud_installation *in, struct ud_server_settings *ret) UD_USE;
/* The same for the agents' port; *ret_open false = there is none. */
enum ud_code ud_installation_agents(struct ud_ctx *cx, const struct ud_installation *in,
	bool *ret_open, struct ud_server_settings *ret) UD_USE;

/* Commands: argc and argv begin behind the command's name. They return the process's exit code. */
int ud_command_init(struct ud_ctx *cx, int argc, char **argv);
int ud_command_serve(struct ud_ctx *cx, int argc, char **argv);
int ud_command_migrate(struct ud_ctx *cx, int argc, char **argv);
int ud_command_check_config(struct ud_ctx *cx, int argc, char **argv);
int ud_command_openapi(struct ud_ctx *cx, int argc, char **argv);
int ud_command_backup(struct ud_ctx *cx, int argc, char **argv);
int ud_command_restore(struct ud_ctx *cx, int argc, char **argv);
int ud_command_doctor(struct ud_ctx *cx, int argc, char **argv);
int ud_command_demo_seed(struct ud_ctx *cx, int argc, char **argv);

/* A command's flags: name, where its value goes (NULL for a switch), the switch's place. */
struct ud_flag {
	const char *name;
	const char **value;
	bool *given;
};
/* Read flags; false after a message on standard error. The table ends with a NULL name. */
bool ud_flags_read(int argc, char **argv, const struct ud_flag *flags);
/* Print the recorded problem after a word; returns 1. */
int ud_command_failed(const struct ud_ctx *cx, const char *what);

#endif

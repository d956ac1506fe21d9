/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent's program, in three files: main.c has what every system has, main_posix.c and
 * main_windows.c what each has its own of: its drivers, how it is told to end, and commands that
 * only make sense there. Not part of the agent's library.
 */
#ifndef AGENT_MAIN_H
#define AGENT_MAIN_H

#include "agent/config.h"
#include "agent/driver.h"

struct ud_command {
	const char *name;
	int (*run)(struct ud_ctx *cx, int argc, char **argv); /* the program's exit status */
	const char *use;                                      /* NULL = not for people */
};

/* Flags of a command as NAME VALUE pairs. */
struct ud_command_flag {
	const char *name;
	const char **value;
	bool required;
};

/* Read the pairs; false after a message on standard error. The table ends with a NULL name. */
bool ud_command_flags(int argc, char **argv, const struct ud_command_flag *flags);
/* Say on standard error why a command failed; returns 1. */
int ud_command_failed(const struct ud_ctx *cx, const char *what);
/*
 * Run the agent until wait returns. The configuration is read already; network as in
 * ud_agent_config.
 */
enum ud_code ud_command_serve(struct ud_ctx *cx, const struct ud_agent_config *config,
	void (*wait)(void *), void *data) UD_USE;

/* main_posix.c, main_drivers_windows.c: the drivers of this system, ended by NULL. */
extern const struct ud_driver *const ud_drivers[];
/* Its own commands, ended by a NULL name. */
extern const struct ud_command ud_system_commands[];
/* The arguments in UTF-8; what it gives in place of argv lives as long as the program. */
void ud_system_arguments(struct ud_ctx *cx, int *argc, char ***argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy help TOPIC: what belongs to no single command.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *name, *text;
} topics[] = {
	{ "output",
		"Standard output carries data alone; progress, notes and errors go to standard error.\n"
		"-o table   a few columns, for people; -c A,B names others\n"
		"-o wide    every column\n"
		"-o json    as the API answers; -o yaml the same as YAML\n"
		"-o csv     a line a row (RFC 4180)\n"
		"-o name    what a command takes for the thing, a line each\n"
		"--jq PROGRAM prints what a jq program makes of the answer.\n" },
	{ "exit-codes",
		"0    done\n"
		"1    unexpected\n"
		"2    the command line is wrong, or a name fits several\n"
		"3    not found\n"
		"4    not signed in, or not allowed\n"
		"5    somebody else changed it, or it is in another state\n"
		"6    refused: a value does not fit, or something stands in the way\n"
		"7    the operation or failover ended in failure; a file is not intact\n"
		"8    waited too long\n"
		"9    the server cannot be reached or is busy: the same call is safe to repeat\n"
		"130  interrupted; a wait says how to go on\n" },
	{ "environment",
		"UNDERSTUDY_URL      address of the server\n"
		"UNDERSTUDY_TOKEN    token; never an argument, others could read it\n"
		"UNDERSTUDY_CONTEXT  which installation of those that context list shows\n"
		"UNDERSTUDY_OUTPUT   the format when there is no -o\n"
		"XDG_CONFIG_HOME     where understudy/config.json stands; it must be readable by its owner alone\n" },
	{ "failover",
		"1. understudy failover request planned PLAN --reason host_maintenance --dry-run\n"
		"   shows what it would cost and what is in the way; without --dry-run it files the ticket.\n"
		"2. understudy ticket approve NUMBER --plan-hash HASH\n"
		"   what was approved is what is done; a plan that has changed since is refused.\n"
		"3. understudy ticket watch NUMBER\n"
		"   follows it step by step; what waits for a person is said with the names of what may be done.\n"
		"4. understudy failover verify RUN --result pass\n"
		"5. understudy failover commit RUN, or failover rollback RUN\n"
		"6. understudy failover evidence RUN --file evidence.json; understudy verify evidence.json\n" },
	{ "formatting",
		"Times are UTC; --time-zone Europe/Oslo shows tables as clocks there do. Sizes are bytes, lengths seconds.\n"
		"Flags of fields are their names with dashes: memory_bytes is --memory-bytes. Lists have commas; objects are JSON.\n"
		"--label KEY=VALUE sets a label; --unset A,B sets fields to null; --no-NAME is false.\n" },
};

bool ud_cli_topic(const char *name)
{
	for (size_t i = 0; i < UD_LEN(topics); i++)
		if (strcmp(topics[i].name, name) == 0)
			return fputs(topics[i].text, stdout) >= 0;
	return false;
}

void ud_cli_topics(void)
{
	fputs("Topics: help", stdout);
	for (size_t i = 0; i < UD_LEN(topics); i++)
		printf("%s %s", i ? " |" : "", topics[i].name);
	puts(".");
}

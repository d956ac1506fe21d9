/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [section] and key=value, as inih takes them apart.
 */
#include "base/ini.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 200, SECTION = 50 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char *trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	for (n = strlen(s); n && is_blank(s[n - 1]); n--)
		s[n - 1] = 0;
	return s;
}

/* The first of some characters, before a comment; else the comment's begin or the line's end. */
static char *find(char *s, const char *any)
{
	bool blank = false;

	for (; *s && !strchr(any, *s) && !(blank && *s == ';'); s++)
		blank = is_blank(*s);
	return s;
}

struct place {
	char section[SECTION];
	ud_ini_handler *handler;
	void *user;
};

/* False: this is no line. */
static bool take_line(struct place *p, char *line)
{
	char *end;

	if (!*line || *line == ';' || *line == '#')
		return true;
	if (*line == '[') {
		end = find(line + 1, "]");
		if (*end != ']')
			return false;
		*end = 0;
		snprintf(p->section, sizeof(p->section), "%s", line + 1);
		return true;
	}
	end = find(line, "=:");
	if (*end != '=' && *end != ':')
		return false;
	*end = 0;
	char *value = end + 1;

	*find(value, "") = 0;
	return p->handler(p->user, p->section, trim(line), trim(value)) != 0;
}

int ud_ini_read(ud_ini_reader *reader, void *stream, ud_ini_handler *handler, void *user)
{
	struct place p = { .handler = handler, .user = user };
	char line[LINE];
	int number = 0, wrong = 0;

	while (reader(line, sizeof(line), stream)) {
		number++;
		if (!take_line(&p, trim(line)) && !wrong)
			wrong = number;
	}
	return wrong;
}

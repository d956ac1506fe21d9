/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of events there are. Whoever makes a new one adds it to the table; the tests compare it
 * with what was written.
 */
#ifndef DB_EVENT_TYPES_H
#define DB_EVENT_TYPES_H

#include "base/arena.h"

/* One object's, in words with one space between them: "created updated deleted". */
struct ud_event_types {
	const char *object, *verbs;
};
/* In the order of the objects; ended by a NULL object. */
extern const struct ud_event_types ud_event_types[];

/* The next word of verbs, in the arena, and what follows it; NULL at the end. */
const char *ud_event_verb(ud_arena *arena, const char **verbs);
/* Is it "<object>.<verb>" of the table? */
bool ud_event_type_known(const char *type);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The differences of two versions of a stored object.
 */
#ifndef BASE_JSON_DIFF_H
#define BASE_JSON_DIFF_H

#include "base/shape.h"

/*
 * Append what two objects of a shape, as texts, say differently in the fields that people set, as
 * items of a JSON list: {"path":"/members/vm_…/group","from":0,"to":1}; null stands for what is not
 * there. Items of lists are named by their vm_id, group or name; a list whose common items changed
 * their order is told with their names. from NULL = there was nothing before.
 */
enum ud_code ud_json_diff(struct ud_ctx *cx, const char *from, const char *to,
	const struct ud_shape *shape, struct ud_buf *b) UD_USE;

#endif

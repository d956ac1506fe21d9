/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of tickets: what a ticket of a type asks for, with fields in place of words. A form is a
 * row of the table in ticket_forms.c; its field table checks what is filled in, and is what GET
 * /v1/ticket-forms answers as a schema.
 */
#ifndef API_TICKET_FORMS_H
#define API_TICKET_FORMS_H

#include "db/tickets.h"

/*
 * Check the form of a ticket that is about to be stored (t->form, as the caller gave it) by its key
 * and bring it into the form it is stored in: all fields of the form, in their order. What it names
 * is added to t->resource_ids, and t->subject is made from it when there is none. type and
 * row.customer_id of *t are settled before. Does nothing without a form. UD_E_VALIDATION and
 * UD_E_UNKNOWN_FIELD name the field ("form/values/vcpus"); texts in cx->arena.
 */
enum ud_code ud_ticket_form_settle(struct ud_ctx *cx, struct ud_ticket *t) UD_USE;

#endif

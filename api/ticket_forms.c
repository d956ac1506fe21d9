/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms there are: a field table and a row of forms[] each. All fill in members of one struct.
 * What time suits and how long the work may take is asked by all of them (db/tickets.h).
 */
#include "api/ticket_forms.h"

#include <string.h>

#include "api/api.h"
#include "base/ip.h"
#include "base/rules.h"
#include "db/hosts.h"
#include "db/networks.h"
#include "db/references.h"
#include "db/sites.h"
#include "db/vms.h"
#include "server/http/list.h"
#include "server/openapi/openapi.h"

struct values {
	const char *vm_id, *host_id, *network_id, *site_id;
	int64_t vcpus, memory_bytes, size_bytes;
	const char *disk, *purpose, *mac, *address, *serial_number, *invoice_number, *question;
	const char *common_name, *signing_request;
	struct ud_texts alternative_names, user_names, participants;
	struct ud_texts sources, destinations, ports;
	unsigned action, protocol, part, topic;
	bool may_restart, without_replica, administrator, while_running;
	struct ud_time ends_at;
};

/* ---- rules ---- */

static const char *rule_address(struct ud_ctx *cx, const char *s)
{
	ud_ip ip;
	bool v4;

	(void)cx;
	return ud_ip_parse(s, &ip, &v4) ? NULL : "is an address such as 192.0.2.7.";
}

static const char *rule_network(struct ud_ctx *cx, const char *s)
{
	struct ud_prefix p;

	return strcmp(s, "any") == 0 || ud_prefix_parse(s, &p) || !rule_address(cx, s)
		? NULL
		: "is an address, a prefix such as 192.0.2.0/24, or any.";
}

/* A number from 1 to 65535 at the beginning of a text, or 0; *end is what stands behind it. */
static long port_at(const char *s, const char **end)
{
	size_t n = strspn(s, "0123456789");
	long port = 0;

	*end = s + n;
	for (size_t i = 0; i < n && n <= 5; i++)
		port = port * 10 + (s[i] - '0');
	return *s == '0' || port > 65535 ? 0 : port;
}

static const char *rule_port(struct ud_ctx *cx, const char *s)
{
	const char *end;
	long first = port_at(s, &end), last = *end == '-' ? port_at(end + 1, &end) : first;

	(void)cx;
	return first && last >= first && !*end
		? NULL
		: "is a port such as 443, or a range such as 8000-8080.";
}

static const char *rule_request(struct ud_ctx *cx, const char *s)
{
	(void)cx;
	return strncmp(s, "-----BEGIN CERTIFICATE REQUEST-----\n", 36) == 0
		? NULL
		: "is a PEM text that begins with BEGIN CERTIFICATE REQUEST.";
}

/* ---- fields ---- */

static const char *const action_names[] = { "allow", "deny", "remove" };
static const struct ud_enum actions = { "rule_action", action_names, UD_LEN(action_names) };
static const char *const protocol_names[] = { "tcp", "udp", "icmp", "any" };
static const struct ud_enum protocols = { "protocol", protocol_names, UD_LEN(protocol_names) };
enum { PROTOCOL_TCP, PROTOCOL_UDP };
static const char *const part_names[] = { "disk", "memory", "power_supply", "fan", "network_card",
	"controller", "board", "other" };
static const struct ud_enum parts = { "hardware_part", part_names, UD_LEN(part_names) };
static const char *const design_names[] = { "architecture", "recovery", "capacity", "security",
	"migration" };
static const struct ud_enum designs = { "design_topic", design_names, UD_LEN(design_names) };
static const char *const invoice_names[] = { "amount", "period", "credit", "other" };
static const struct ud_enum invoices = { "invoice_topic", invoice_names, UD_LEN(invoice_names) };

/* clang-format off */
static const struct ud_field cpu_fields[] = {
	UD_FIELD(values, vm_id,       .flags = UD_REQUIRED, .refers = "vm", .about = "VM that gets them."),
	UD_FIELD(values, vcpus,       .flags = UD_REQUIRED, .min = 1, .max = 1024, .about = "Virtual processors it is to have in all."),
	UD_FIELD(values, may_restart, .about = "The VM may be restarted for it."),
};
static const struct ud_field memory_fields[] = {
	UD_FIELD(values, vm_id,        .flags = UD_REQUIRED, .refers = "vm", .about = "VM that gets it."),
	UD_FIELD(values, memory_bytes, .flags = UD_REQUIRED, .min = 64 << 20, .max = INT64_C(1) << 44, .about = "Memory it is to have in all."),
	UD_FIELD(values, may_restart,  .about = "The VM may be restarted for it."),
};
static const struct ud_field disk_fields[] = {
	UD_FIELD(values, vm_id,           .flags = UD_REQUIRED, .refers = "vm", .about = "VM that gets it."),
	UD_FIELD(values, size_bytes,      .flags = UD_REQUIRED, .min = 1 << 30, .max = INT64_C(1) << 46, .about = "Size that the disk is to have."),
	UD_FIELD(values, disk,            .max = 63, .rule = ud_rule_line, .about = "Disk that grows, by its name; null = a new one."),
	UD_FIELD(values, purpose,         .max = 200, .rule = ud_rule_line, .about = "What it is for, or where the guest mounts it."),
	UD_FIELD(values, without_replica, .about = "A new disk is left out of the VM's replication."),
};
static const struct ud_field certificate_fields[] = {
	UD_FIELD(values, common_name,       .flags = UD_REQUIRED, .max = 253, .rule = ud_rule_line, .about = "Name that it is for."),
	UD_FIELD(values, alternative_names, .max = 100, .rule = ud_rule_line, .about = "Other names and addresses that it is for."),
	UD_FIELD(values, signing_request,   .max = 8192, .rule = rule_request, .about = "Signing request (CSR) in PEM; null = the key is made where it is used."),
	UD_FIELD(values, vm_id,             .refers = "vm", .about = "VM that it is put on; null = it is sent."),
};
static const struct ud_field user_fields[] = {
	UD_FIELD(values, vm_id,         .flags = UD_REQUIRED, .refers = "vm", .about = "VM that they are for."),
	UD_FIELD(values, user_names,    .flags = UD_REQUIRED, .min = 1, .max = 50, .rule = ud_rule_word, .about = "Names that they sign in with."),
	UD_FIELD(values, administrator, .about = "They administer the guest."),
	UD_FIELD(values, ends_at,       .about = "When the accounts end; null = they stay."),
};
static const struct ud_field network_fields[] = {
	UD_FIELD(values, vm_id,      .flags = UD_REQUIRED, .refers = "vm", .about = "VM whose card it is."),
	UD_FIELD(values, network_id, .flags = UD_REQUIRED, .refers = "net", .about = "Network that the card is to be on."),
	UD_FIELD(values, mac,        .max = 17, .rule = ud_rule_mac, .about = "The card, by its MAC address; null = a new one."),
	UD_FIELD(values, address,    .max = 45, .rule = rule_address, .about = "Address that it is to have there; null = a free one."),
};
static const struct ud_field firewall_fields[] = {
	UD_FIELD(values, action,       .flags = UD_REQUIRED, .values = &actions, .about = "What the rule does, or that it goes."),
	UD_FIELD(values, protocol,     .flags = UD_REQUIRED, .values = &protocols, .about = "Protocol that it is about."),
	UD_FIELD(values, sources,      .flags = UD_REQUIRED, .min = 1, .max = 100, .rule = rule_network, .about = "Addresses and prefixes it comes from, or any."),
	UD_FIELD(values, destinations, .flags = UD_REQUIRED, .min = 1, .max = 100, .rule = rule_network, .about = "Addresses and prefixes it goes to, or any."),
	UD_FIELD(values, ports,        .max = 100, .rule = rule_port, .about = "Ports and ranges of ports of tcp and udp; none = all."),
	UD_FIELD(values, vm_id,        .refers = "vm", .about = "VM that it is for."),
	UD_FIELD(values, ends_at,      .about = "When the rule goes by itself; null = it stays."),
	UD_FIELD(values, purpose,      .flags = UD_REQUIRED, .max = 200, .rule = ud_rule_line, .about = "What it is for."),
};
static const struct ud_field hardware_fields[] = {
	UD_FIELD(values, part,          .flags = UD_REQUIRED, .values = &parts, .about = "What is replaced."),
	UD_FIELD(values, host_id,       .refers = "hst", .about = "Host that it is in."),
	UD_FIELD(values, site_id,       .refers = "sit", .about = "Site where it stands."),
	UD_FIELD(values, serial_number, .max = 100, .rule = ud_rule_line, .about = "Serial number of the part or of what it is in."),
	UD_FIELD(values, while_running, .about = "It may be replaced while the host runs."),
};
static const struct ud_field design_fields[] = {
	UD_FIELD(values, topic,        .flags = UD_REQUIRED, .values = &designs, .about = "What it is about."),
	UD_FIELD(values, question,     .flags = UD_REQUIRED, .max = 4000, .about = "What is to be decided."),
	UD_FIELD(values, participants, .max = 20, .rule = ud_rule_email, .about = "E-mail addresses of those who take part."),
};
static const struct ud_field invoice_fields[] = {
	UD_FIELD(values, invoice_number, .flags = UD_REQUIRED, .max = 63, .rule = ud_rule_line, .about = "Number of the invoice."),
	UD_FIELD(values, topic,          .flags = UD_REQUIRED, .values = &invoices, .about = "What is wrong with it."),
};
/* clang-format on */

/* ---- rules over several fields ---- */

typedef enum ud_code values_check(struct ud_ctx *cx, const struct values *v);

static enum ud_code ends_later(struct ud_ctx *cx, const struct values *v)
{
	if (v->ends_at.ms && v->ends_at.ms != UD_NONE && v->ends_at.ms <= cx->now_ms)
		return ud_fail_field(cx, "ends_at", "in_the_past", "ends_at lies ahead.");
	return UD_OK;
}

static enum ud_code check_rule(struct ud_ctx *cx, const struct values *v)
{
	if (v->ports.count && v->protocol != PROTOCOL_TCP && v->protocol != PROTOCOL_UDP)
		return ud_fail_field(cx, "ports", "not_allowed", "%s has no ports.",
			protocol_names[v->protocol]);
	return ends_later(cx, v);
}

/* ---- the table ---- */

#define FORM(fields_, about_)                                            \
	{                                                                \
		.bare = true, UD_SHAPE(values, fields_), .about = about_ \
	}
/* clang-format off */
static const struct form {
	const char *key, *title;
	enum ud_ticket_type type;
	struct ud_shape shape;
	values_check *check; /* or NULL */
} forms[] = {
	{ "add_cpu",              "More processors",     UD_TICKET_REQUEST,         FORM(cpu_fields, "Give a VM more virtual processors.") },
	{ "add_memory",           "More memory",         UD_TICKET_REQUEST,         FORM(memory_fields, "Give a VM more memory.") },
	{ "add_disk",             "More disk space",     UD_TICKET_REQUEST,         FORM(disk_fields, "Give a VM another disk, or a larger one.") },
	{ "certificate",          "A certificate",       UD_TICKET_REQUEST,         FORM(certificate_fields, "Get a certificate for a name.") },
	{ "change_network",       "Another network",     UD_TICKET_CHANGE,          FORM(network_fields, "Put a network card of a VM on another network, or give it one more.") },
	{ "firewall_rule",        "Firewall rule",       UD_TICKET_FIREWALL_CHANGE, FORM(firewall_fields, "Add a rule to the firewall, or remove one."), check_rule },
	{ "hardware_replacement", "Replace a part",      UD_TICKET_HARDWARE,        FORM(hardware_fields, "Replace a part that has failed or will.") },
	{ "design_review",        "Talk about a design", UD_TICKET_CONSULTATION,    FORM(design_fields, "Talk with an engineer about a design.") },
	{ "add_users",            "Accounts in a VM",    UD_TICKET_ACCOUNT,         FORM(user_fields, "Give people accounts inside a VM."), ends_later },
	{ "invoice_question",     "About an invoice",    UD_TICKET_BILLING,         FORM(invoice_fields, "Ask about an invoice.") },
};
/* clang-format on */

/* ---- reading ---- */

/* "vcpus" is "form/values/vcpus" from outside. */
static enum ud_code below(struct ud_ctx *cx, const char *where, enum ud_code code)
{
	for (size_t i = 0; i < cx->problem.field_count; i++) {
		struct ud_field_problem *f = &cx->problem.fields[i];

		f->field = ud_printf(cx->arena, "%s/%s", where, f->field);
	}
	return code;
}

static enum ud_code read_object(struct ud_ctx *cx, const char *where, const struct ud_shape *shape,
	const char *text, void *row)
{
	if (*text != '{')
		return ud_fail_field(cx, where, "wrong_type", "%s is an object.", where);
	enum ud_code code = ud_shape_read(cx, shape, text, strlen(text), row);

	return code == UD_OK ? UD_OK : below(cx, where, code);
}

static enum ud_code find(
	struct ud_ctx *cx, const struct ud_ticket *t, const char *key, const struct form **ret)
{
	const struct form *f = forms;

	while (f < forms + UD_LEN(forms) && strcmp(f->key, key) != 0)
		f++;
	if (f == forms + UD_LEN(forms))
		return ud_fail_field(cx, "form/key", "not_found",
			"There is no such form; GET /v1/ticket-forms lists those there are.");
	if (f->type != t->type)
		return ud_fail_field(cx, "form/key", "other_type",
			"%s is a form of tickets of type %s.", key, ud_ticket_types.names[f->type]);
	*ret = f;
	return UD_OK;
}

static enum ud_code read_form(struct ud_ctx *cx, const struct ud_ticket *t,
	struct ud_ticket_form *in, const struct form **ret, struct values *v)
{
	*ret = forms; /* some form in any case */
	UD_TRY(read_object(cx, "form", &ud_ticket_form_shape, t->form.text, in));
	UD_TRY(find(cx, t, in->key ? in->key : "", ret));
	if (in->preferred_at.ms && in->preferred_at.ms != UD_NONE &&
		in->preferred_at.ms <= cx->now_ms)
		return ud_fail_field(
			cx, "form/preferred_at", "in_the_past", "preferred_at lies ahead.");
	UD_TRY(read_object(
		cx, "form/values", &(*ret)->shape, in->values.text ? in->values.text : "{}", v));
	if ((*ret)->check && (*ret)->check(cx, v) != UD_OK)
		return below(cx, "form/values", UD_E_VALIDATION);
	return UD_OK;
}

/* ---- what it names ---- */

static bool has(const struct ud_texts *ids, const char *id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (strcmp(ids->items[i], id) == 0)
			return true;
	return false;
}

static void add(struct ud_ctx *cx, struct ud_texts *ids, const char *id)
{
	const char **items = ud_alloc(cx->arena, (ids->count + 1) * sizeof(*items));

	if (has(ids, id))
		return;
	for (size_t i = 0; i < ids->count; i++)
		items[i] = ids->items[i];
	items[ids->count] = id;
	*ids = (struct ud_texts){ items, ids->count + 1 };
}

/* Things that the caller may name become what the ticket is about. */
static enum ud_code take_things(
	struct ud_ctx *cx, const struct form *f, const struct values *v, struct ud_ticket *t)
{
	bool fine = true;

	for (size_t i = 0; i < f->shape.field_count; i++) {
		const struct ud_field *field = &f->shape.fields[i];
		const char *id = field->refers ? *ud_field_text(field, v) : NULL;

		if (!id)
			continue;
		UD_TRY(ud_reference_check(
			cx, field->name, field->refers, id, t->row.customer_id, &fine));
		add(cx, &t->resource_ids, id);
	}
	return fine ? UD_OK : below(cx, "form/values", cx->problem.code);
}

static const struct {
	const char *prefix;
	const struct ud_table *table;
} things[] = { { "vm", &ud_vms }, { "hst", &ud_hosts }, { "net", &ud_networks },
	{ "sit", &ud_sites } };

/* The name of the first thing that it names; NULL when it names none. */
static enum ud_code name_of(
	struct ud_ctx *cx, const struct form *f, const struct values *v, const char **ret)
{
	const struct ud_field *field = f->shape.fields, *end = field + f->shape.field_count;
	size_t i = 0;

	*ret = NULL;
	while (field < end && !(field->refers && *ud_field_text(field, v)))
		field++;
	if (field == end)
		return UD_OK;
	while (strcmp(things[i].prefix, field->refers) != 0)
		i++;
	const struct ud_shape *shape = things[i].table->shape;
	void *row = ud_alloc(cx->arena, shape->size);

	UD_TRY(ud_row_get(cx, things[i].table, *ud_field_text(field, v), row));
	*ret = *ud_field_text(&shape->fields[ud_shape_find(shape, "name")], row);
	return UD_OK;
}

static enum ud_code set_subject(
	struct ud_ctx *cx, const struct form *f, const struct values *v, struct ud_ticket *t)
{
	const char *name = NULL;

	UD_TRY(name_of(cx, f, v, &name));
	t->subject = name ? ud_printf(cx->arena, "%s: %s", f->title, name) : f->title;
	return UD_OK;
}

enum ud_code ud_ticket_form_settle(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_ticket_form in = { 0 };
	struct values v = { 0 };
	const struct form *f = NULL;
	struct ud_buf filled = { 0 }, whole = { 0 };

	if (!t->form.text)
		return UD_OK;
	UD_TRY(read_form(cx, t, &in, &f, &v));
	UD_TRY(take_things(cx, f, &v, t));
	ud_shape_encode(&filled, &f->shape, &v, NULL);
	in.values.text = ud_buf_take(cx->arena, &filled);
	ud_shape_encode(&whole, &ud_ticket_form_shape, &in, NULL);
	t->form.text = ud_buf_take(cx->arena, &whole);
	return t->subject ? UD_OK : set_subject(cx, f, &v, t);
}

/* ---- the list ---- */

struct listed {
	const char *key, *title, *about;
	unsigned type; /* enum ud_ticket_type */
	struct ud_json schema;
};
/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(listed, key,    .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .about = "What form.key of a ticket says."),
	UD_FIELD(listed, type,   .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .values = &ud_ticket_types, .about = "Type of the tickets it is for."),
	UD_FIELD(listed, title,  .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .about = "What it is called."),
	UD_FIELD(listed, about,  .flags = UD_REQUIRED | UD_COMPUTED, .about = "What it asks for."),
	UD_FIELD(listed, schema, .flags = UD_COMPUTED, .about = "JSON Schema (2020-12) of form.values of a ticket."),
};
static const struct ud_shape shape = { .object = "ticket_form", .bare = true, UD_SHAPE(listed, fields),
	.about = "What a ticket may ask for with fields in place of words." };
/* clang-format on */

static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_page_open(rq);
	for (size_t i = 0; i < UD_LEN(forms); i++) {
		struct ud_buf schema = { 0 };
		struct listed row = { .key = forms[i].key,
			.title = forms[i].title,
			.about = forms[i].shape.about,
			.type = forms[i].type };

		ud_openapi_schema(&forms[i].shape, &schema);
		row.schema.text = ud_buf_take(cx->arena, &schema);
		if (i)
			ud_buf_putc(&rq->out, ',');
		ud_shape_encode(&rq->out, &shape, &row, NULL);
	}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/ticket-forms", "ticket-forms.list", UD_PEOPLE, "tickets:read", UD_WHOLE, .answer = &shape, .handle = list, .about = "List the forms that a ticket may be opened with, each with the schema of its fields." },
};
/* clang-format on */
const struct ud_routes ud_api_ticket_forms = { "Ticket forms", rows, UD_LEN(rows) };

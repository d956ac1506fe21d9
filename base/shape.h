/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables. SQL column = C member = JSON key; the table is the only list of them. From it come
 * decoding and validation of bodies, encoding of answers, column lists, row mapping, filters, the
 * specification and the command line's columns.
 *
 * A resource's struct starts with struct ud_row. C types of the other members and what they mean:
 *   const char *     text (NULL = null)       int64_t          integer (UD_NONE = null)
 *   bool             boolean                  enum …           one of .values, as its name outside
 *   struct ud_time   instant                  struct ud_json   a JSON document, kept as text
 *   struct ud_texts  list of texts, each one of .values when that is given
 */
#ifndef BASE_SHAPE_H
#define BASE_SHAPE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/time.h"

/* A JSON document as text; NULL = null. */
struct ud_json {
	const char *text;
};

/* A list of texts; an absent list is empty. */
struct ud_texts {
	const char **items;
	size_t count;
};

/* What every stored object has. Member of each resource's struct, first. */
struct ud_row {
	const char *id;
	const char *customer_id; /* whose it is; NULL = the provider's */
	int64_t version;         /* grows by one with every change; the ETag */
	struct ud_time created_at, updated_at;
	struct ud_json labels; /* at most 32 pairs of strings */
};

/* Names of an enumeration, in the order of its constants. */
struct ud_enum {
	const char *name; /* of the enumeration, for the specification: "hypervisor" */
	const char *const *names;
	int count;
};

/* Index of a name, or -1. Any thread. */
int ud_enum_index(const struct ud_enum *e, const char *name);

enum ud_type { UD_TEXT, UD_INT, UD_BOOL, UD_ENUM, UD_INSTANT, UD_JSON, UD_TEXTS };

enum ud_field_flags {
	UD_REQUIRED = 1 << 0, /* must be given at creation and is never null */
	UD_SERVER = 1 << 1,   /* only we set it; refused in bodies */
	UD_FIXED = 1 << 2,    /* only at creation */
	UD_SECRET = 1 << 3,   /* accepted, stored, never encoded */
	UD_INPUT = 1 << 4,    /* in bodies only: no column, never encoded */
	/* integer that may be null (texts and instants always may unless required) */
	UD_NULLABLE = 1 << 5,
	UD_FILTER = 1 << 6,   /* may be filtered by in lists (needs an index) */
	UD_SORT = 1 << 7,     /* lists may be sorted by it (needs an index) */
	UD_SEARCH = 1 << 8,   /* ?q= looks into it */
	UD_COMPUTED = 1 << 9, /* in answers only: no column; a handler fills it in */
	/* unique inside its tenant; a clash is already_exists naming this field */
	UD_UNIQUE = 1 << 10,
	UD_BRIEF = 1 << 11, /* a column of the command line's ordinary table */
};

/* A rule on one text: NULL when fine, else the sentence. May use the arena. */
typedef const char *ud_text_rule(struct ud_ctx *cx, const char *text);

struct ud_field {
	const char *name;
	enum ud_type type;
	size_t offset;
	unsigned flags;
	/* integer: bounds; text and lists: characters or items. max 0 = 2^53 or 255 */
	int64_t min, max;
	int64_t standard;             /* integer, boolean, enum: value when not given */
	const struct ud_enum *values; /* enum and list of texts */
	/* the text is an id with this prefix; existence is checked by db/ */
	const char *refers;
	ud_text_rule *rule;
	const char *about; /* one sentence for the specification */
	/* of JSON in answers, for the specification: what it holds, or what its items hold (many)
	 */
	const struct ud_shape *part;
	bool many;
};

/* One row of a field table: the type follows from the member. Other properties come as designated
 * initialisers. */
/* clang-format off */
#define UD_FIELD(type_, member, ...)                                          \
	{                                                                     \
		.name = #member, .offset = offsetof(struct type_, member),    \
		.type = _Generic(((struct type_ *)0)->member,                 \
			const char *: UD_TEXT,                                \
			int64_t: UD_INT,                                      \
			bool: UD_BOOL,                                        \
			unsigned: UD_ENUM,                                    \
			struct ud_time: UD_INSTANT,                           \
			struct ud_json: UD_JSON,                              \
			struct ud_texts: UD_TEXTS),                           \
		__VA_ARGS__                                                   \
	}
/* clang-format on */

struct ud_shape {
	const char *object; /* "site": the value of "object", and the word in event types */
	const char *prefix; /* of ids; NULL for bodies and singletons without */
	const char *table;  /* SQL table; NULL for bodies */
	size_t size;        /* of the struct */
	const struct ud_field *fields;
	size_t field_count;
	bool bare; /* no struct ud_row at the start: a body or a part */
	/* members that the provider's log tells of one that is no customer's: the others may name
	 * people and cannot be forgotten there. NULL = all */
	const struct ud_texts *discreet;
	const char *about; /* one sentence for the specification */
};

/* Complete a shape from its struct's name and its field table. */
#define UD_SHAPE(struct_, table_) \
	.size = sizeof(struct struct_), .fields = table_, .field_count = UD_LEN(table_)

enum { UD_BIT_WORDS = 2 };
/* Which fields a body gave: bit i = fields[i]; labels and customer_id of struct ud_row have their
 * own. */
struct ud_given {
	uint64_t bits[UD_BIT_WORDS];
	bool labels, customer_id;
};

/* True when field i was given. */
bool ud_given_has(const struct ud_given *given, size_t i);
/* True when the member of that name was given. */
bool ud_given_name(const struct ud_given *given, const struct ud_shape *shape, const char *name);

/* Position of the field with this name, or -1. */
int ud_shape_find(const struct ud_shape *shape, const char *name);

/* Set standards and nulls in a zeroed struct. */
void ud_shape_init(const struct ud_shape *shape, void *row);

enum ud_decode_mode { UD_CREATE, UD_PATCH };

/*
 * Read a JSON object into a row, all wrong fields reported at once. UD_CREATE starts from standards
 * and wants the required ones; UD_PATCH changes only what is given in *row, which holds the old
 * object (RFC 7396: null clears, labels are merged one by one). Texts are copied into cx->arena.
 * Errors: UD_E_MALFORMED (not an object), UD_E_UNKNOWN_FIELD, UD_E_VALIDATION. customer_id and
 * labels are taken when the shape is not bare.
 */
enum ud_code ud_shape_decode(struct ud_ctx *cx, const struct ud_shape *shape,
	enum ud_decode_mode mode, json_t *body, void *row, struct ud_given *ret_given) UD_USE;

/*
 * Append the object as JSON: id, object and the common members first, then the fields in their
 * order. only, when not NULL, restricts it to the named members (?fields=); id and object always
 * come.
 */
void ud_shape_encode(struct ud_buf *b, const struct ud_shape *shape, const void *row,
	const struct ud_texts *only);

/* Append members of the row's own fields that differ between two rows, with the values of the old
 * one, as an object. */
void ud_shape_encode_changes(
	struct ud_buf *b, const struct ud_shape *shape, const void *old_row, const void *new_row);

/* Append the value of one field. */
void ud_field_encode(struct ud_buf *b, const struct ud_field *f, const void *row);
/* True when the values of one field are equal in two rows. */
bool ud_field_equal(const struct ud_field *f, const void *a, const void *b);
/* True when all fields of the shape are equal in two rows, the computed ones aside. */
bool ud_shape_equal(const struct ud_shape *shape, const void *a, const void *b);

/* Read the stored form of a list of texts, a JSON array, into cx->arena; NULL gives an empty list.
 */
void ud_texts_read(struct ud_ctx *cx, const char *text, struct ud_texts *ret);
/* Append that form. */
void ud_texts_write(struct ud_buf *b, const struct ud_texts *t);
/* Typed access to a member at the field's offset. */
const char **ud_field_text(const struct ud_field *f, const void *row);
int64_t *ud_field_int(const struct ud_field *f, const void *row);
bool *ud_field_bool(const struct ud_field *f, const void *row);
unsigned *ud_field_enum(const struct ud_field *f, const void *row);
struct ud_time *ud_field_time(const struct ud_field *f, const void *row);
struct ud_json *ud_field_json(const struct ud_field *f, const void *row);
struct ud_texts *ud_field_texts(const struct ud_field *f, const void *row);

/*
 * Parse a body: at most depth 32 (checked before jansson sees it), no duplicate keys, no NUL, no
 * reals, integers within ±2^53, at most so many members in all. UD_E_MALFORMED otherwise, with line
 * and column where the text does not parse. The tree is released with the arena's request by the
 * caller (json_decref).
 */
enum ud_code ud_json_parse(struct ud_ctx *cx, const char *text, size_t n, int members, json_t **ret)
	UD_USE;
/* Of one object's body, and of one that holds many. */
enum { UD_JSON_MEMBERS = 2000, UD_JSON_MANY = 20000 };

/* Read a bare shape from a text: ud_json_parse and ud_shape_decode (UD_CREATE) in one. */
enum ud_code ud_shape_read(struct ud_ctx *cx, const struct ud_shape *shape, const char *text,
	size_t n, void *row) UD_USE;
/*
 * Read a JSON list of objects of a bare shape, as an UD_JSON member keeps it, into an array in
 * cx->arena; NULL gives none. UD_E_VALIDATION when it is no list or has more than max objects.
 */
enum ud_code ud_shape_read_list(struct ud_ctx *cx, const struct ud_shape *shape, const char *text,
	size_t max, void *ret_rows, size_t *ret_n) UD_USE;
/* The tree as text by jansson's flags, in the arena; "null" for NULL. */
const char *ud_json_text(ud_arena *arena, const json_t *v, size_t flags);

#endif

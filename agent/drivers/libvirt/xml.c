/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading libvirt's XML with libxml2. Nothing is fetched, no entity is replaced, a document with a
 * DTD is refused.
 */
#include <ctype.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drivers/libvirt/inside.h"

enum { XML_MAX = 4 << 20 };

void ud_lv_doc_release(ud_lv_doc **doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
	*doc = NULL;
}

enum ud_code ud_lv_read(struct ud_ctx *cx, const char *text, ud_lv_doc **ret)
{
	size_t n = strlen(text);
	UD_AUTO(ud_lv_doc) *doc = NULL;

	if (n > XML_MAX)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The definition is too large.");
	doc = xmlReadMemory(text, (int)n, "definition.xml", NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS |
			XML_PARSE_NOCDATA);
	if (!doc || !xmlDocGetRootElement(doc))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The definition is not XML.");
	if (doc->intSubset || doc->extSubset)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The definition has a DTD.");
	*ret = UD_TAKE(doc);
	return UD_OK;
}

const char *ud_lv_text_of(struct ud_ctx *cx, xmlDocPtr doc)
{
	xmlChar *text = NULL;
	int n = 0;

	xmlDocDumpFormatMemory(doc, &text, &n, 1);
	const char *copy = ud_strndup(cx->arena, (const char *)text, (size_t)n);

	xmlFree(text);
	return copy;
}

static bool is(xmlNodePtr node, const char *name, size_t n)
{
	return node->type == XML_ELEMENT_NODE && strlen((const char *)node->name) == n &&
		memcmp(node->name, name, n) == 0;
}

xmlNodePtr ud_lv_child(xmlNodePtr node, const char *path)
{
	while (node) {
		size_t n = strcspn(path, "/");

		for (node = node->children; node && !is(node, path, n); node = node->next)
			;
		if (!path[n])
			return node;
		path += n + 1;
	}
	return NULL;
}

xmlNodePtr ud_lv_next(xmlNodePtr node)
{
	const char *name = (const char *)node->name;

	for (node = node->next; node && !is(node, name, strlen(name)); node = node->next)
		;
	return node;
}

const char *ud_lv_attribute(struct ud_ctx *cx, xmlNodePtr node, const char *name)
{
	xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
	const char *copy = ud_strdup(cx->arena, (const char *)value);

	xmlFree(value);
	return copy;
}

const char *ud_lv_content(struct ud_ctx *cx, xmlNodePtr node)
{
	if (!node)
		return NULL;
	xmlChar *value = xmlNodeGetContent(node);
	const char *from = value ? (const char *)value : "";

	while (isspace((unsigned char)*from))
		from++;
	size_t n = strlen(from);

	while (n && isspace((unsigned char)from[n - 1]))
		n--;
	const char *copy = ud_strndup(cx->arena, from, n);

	xmlFree(value);
	return copy;
}

int64_t ud_lv_number(struct ud_ctx *cx, xmlNodePtr node)
{
	const char *text = ud_lv_content(cx, node);
	char *end;

	if (!text || !*text)
		return UD_NONE;
	long long v = strtoll(text, &end, 10);

	return *end ? UD_NONE : v;
}

void ud_lv_set(xmlNodePtr node, const char *name, const char *value)
{
	xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

xmlNodePtr ud_lv_add(xmlNodePtr node, const char *name, const char *text)
{
	return xmlNewTextChild(node, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

enum ud_code ud_lv_definition(struct ud_ctx *cx, virDomainPtr d, unsigned flags, ud_lv_doc **ret)
{
	char *xml = virDomainGetXMLDesc(d, flags);

	if (!xml)
		return ud_lv_fail(cx, "read the VM's definition");
	return ud_lv_read(cx, ud_lv_take(cx, xml), ret);
}

const char *ud_lv_disk_target(struct ud_ctx *cx, xmlNodePtr disk)
{
	const char *device = ud_lv_attribute(cx, disk, "device");

	if (device && strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0)
		return NULL;
	return ud_lv_attribute(cx, ud_lv_child(disk, "target"), "dev");
}

const char *ud_lv_disk_path(struct ud_ctx *cx, xmlNodePtr disk)
{
	xmlNodePtr source = ud_lv_child(disk, "source");
	const char *path = ud_lv_attribute(cx, source, "file");

	return path ? path : ud_lv_attribute(cx, source, "dev");
}

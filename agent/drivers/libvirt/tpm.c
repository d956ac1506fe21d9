/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a VM's TPM, as swtpm keeps it for libvirt in a file below a folder of the VM's UUID.
 * It travels with each point, and lies there before the replica is started: where libvirt finds the
 * folder it makes no new TPM (libvirt 9.0, tried). swtpm replaces the file as a whole, so that it
 * can be read while it runs. The folders are another user's, who may not lead us elsewhere: all is
 * done beneath libvirt's own folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/drivers/libvirt/inside.h"
#include "agent/replication/beneath.h"
#include "agent/replication/manifest.h"
#include "base/log.h"

static const char state_file[] = UD_LV_TPM_FILE;

bool ud_lv_tpm_ships(struct ud_ctx *cx, xmlNodePtr tpm)
{
	xmlNodePtr backend = ud_lv_child(tpm, "backend");
	const char *type = ud_lv_attribute(cx, backend, "type");
	const char *version = ud_lv_attribute(cx, backend, "version");

	return type && strcmp(type, "emulator") == 0 && version && strcmp(version, "2.0") == 0 &&
		!ud_lv_child(backend, "encryption") && !ud_lv_next(tpm);
}

/* Where libvirt keeps them all. */
static const char *folder_of(struct ud_ctx *cx, const struct ud_lv *lv)
{
	return lv->root ? ud_printf(cx->arena, "%s/lib/swtpm", lv->root) : "/var/lib/libvirt/swtpm";
}

enum ud_code ud_lv_tpm_read(struct ud_ctx *cx, const struct ud_lv *lv, xmlNodePtr domain,
	const char **ret, size_t *ret_n)
{
	xmlNodePtr tpm = ud_lv_child(domain, "devices/tpm");
	const char *uuid = ud_lv_content(cx, ud_lv_child(domain, "uuid"));
	const char *folder = folder_of(cx, lv);

	*ret_n = 0;
	if (!tpm || !uuid || !ud_lv_tpm_ships(cx, tpm))
		return UD_OK;
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *path = ud_printf(cx->arena, "%s/tpm2/%s", uuid, state_file);
	int rc = root < 0 ? -errno : ud_beneath_read(cx, root, path, UD_MANIFEST_FILE, ret, ret_n);

	if (root >= 0)
		close(root);
	if (rc == -ENOENT) /* it was never started */
		return UD_OK;
	return rc < 0 ? ud_beneath_fail(cx, rc, path) : UD_OK;
}

/* A folder of that mode, whoever made it. */
static int make_folder(int root, const char *path, unsigned mode)
{
	int rc = ud_beneath_make(root, path);
	int fd = rc < 0 ? rc : ud_beneath_open(root, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	rc = fchmod(fd, mode) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

/* libvirt gives the innermost folder, which nobody else may enter, to the user that swtpm runs as,
 * but not what lies in it: the file lets itself be read by whoever gets there. */
static int place(struct ud_ctx *cx, int root, const char *uuid, const void *data, size_t n)
{
	const char *folder = ud_printf(cx->arena, "%s/tpm2", uuid);
	const char *path = ud_printf(cx->arena, "%s/%s", folder, state_file);
	int rc = make_folder(root, uuid, 0711);

	if (rc == 0)
		rc = make_folder(root, folder, 0700);
	if (rc == 0)
		rc = ud_beneath_write(root, path, data, n);
	int fd = rc < 0 ? rc : ud_beneath_open(root, path, O_RDONLY, 0);

	if (fd < 0)
		return fd;
	rc = fchmod(fd, 0644) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

enum ud_code ud_lv_tpm_place(
	struct ud_ctx *cx, const struct ud_lv *lv, const char *uuid, const void *data, size_t n)
{
	const char *folder = folder_of(cx, lv);

	UD_TRY(ud_lv_make_folder(cx, folder));
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = root < 0 ? -errno : fchmod(root, 0711) == 0 ? 0 : -errno;

	if (rc == 0)
		rc = place(cx, root, uuid, data, n);
	if (root >= 0)
		close(root);
	return rc < 0 ? ud_beneath_fail(cx, rc, folder) : UD_OK;
}

void ud_lv_tpm_clear(struct ud_ctx *cx, const struct ud_lv *lv, const char *uuid)
{
	int root = open(folder_of(cx, lv), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return;
	int rc = ud_beneath_clear(root, uuid);

	if (rc < 0)
		ud_log(UD_LOG_WARNING, "tpm_state_left", "vm", uuid, "reason", strerror(-rc), NULL);
	close(root);
}

bool ud_lv_tpm_can(struct ud_ctx *cx, const struct ud_lv *lv)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virConnectGetDomainCapabilities(lv->conn, NULL, NULL, NULL, NULL, 0);
	bool can = false;

	if (xml && ud_lv_read(cx, ud_lv_take(cx, xml), &doc) == UD_OK) {
		xmlNodePtr choice = ud_lv_child(xmlDocGetRootElement(doc), "devices/tpm/enum");

		for (; choice; choice = ud_lv_next(choice)) {
			const char *name = ud_lv_attribute(cx, choice, "name");
			xmlNodePtr value = ud_lv_child(choice, "value");

			for (; name && strcmp(name, "backendModel") == 0 && value;
				value = ud_lv_next(value))
				can |= strcmp(ud_lv_content(cx, value), "emulator") == 0;
		}
	}
	ud_ctx_clear(cx);
	return can;
}

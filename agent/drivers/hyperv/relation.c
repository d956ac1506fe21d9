/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a relation, from what the server wants to what Hyper-V has: each step looks at the
 * state first, so that any of it can be done again. Hyper-V does the copying by itself.
 */
#include <string.h>
#include <strings.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

/* ---- both ends ---- */

static void add_server(struct ud_hy_batch *b, const char *address)
{
	enum { HTTPS = 443 };
	const char *colon = address ? strrchr(address, ':') : NULL;
	const char *name =
		colon ? ud_strndup(b->cx->arena, address, (size_t)(colon - address)) : address;

	ud_hy_text(b, "ReplicaServerName", name);
	ud_hy_int(b, "ReplicaServerPort", colon ? atoi(colon + 1) : HTTPS);
}

static void add_authentication(
	struct ud_hy_batch *b, unsigned authentication, const char *thumbprint)
{
	ud_hy_text(b, "AuthenticationType",
		authentication == UD_AUTHENTICATION_KERBEROS ? "Kerberos" : "Certificate");
	ud_hy_text(b, "CertificateThumbprint", thumbprint);
}

void ud_hy_peer(struct ud_hy_batch *b, const struct ud_relation *r, const char *thumbprint)
{
	add_server(b, r->peer_address);
	add_authentication(b, r->authentication, thumbprint);
}

static enum ud_code on_vm(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	const char *cmdlet, const char *option)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	ud_hy_call(&b, cmdlet, NULL);
	ud_hy_ref(&b, "VM", 0);
	if (option)
		ud_hy_switch(&b, option);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

/* Of the two relationships that the middle of a chain has, the onward one is named by the object.
 */
static enum ud_code on_link(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	const char *cmdlet, const char *option, struct ud_time at)
{
	bool onward = r->leg == UD_LEG_EXTENDED && r->role == UD_RELATION_SOURCE;
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	int call = ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);

	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "ReplicationRelationshipType", onward ? "Extended" : "Simple");
	ud_hy_call(&b, cmdlet, NULL);
	ud_hy_ref(&b, "VMReplication", call);
	if (option)
		ud_hy_switch(&b, option);
	ud_hy_time(&b, "ResynchronizeStartTime", at);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static const struct ud_time at_once = { UD_NONE };

/* ---- the target ---- */

struct server {
	bool enabled;
	const char *authentication, *thumbprint;
	int64_t https, http;
};
struct entry {
	const char *primary;
};
struct place {
	const char *path;
};
/* clang-format off */
static const struct ud_field server_fields[] = {
	UD_FIELD(server, enabled),
	UD_FIELD(server, authentication),
	UD_FIELD(server, thumbprint),
	UD_FIELD(server, https, .flags = UD_NULLABLE),
	UD_FIELD(server, http,  .flags = UD_NULLABLE),
};
static const struct ud_field entry_fields[] = { UD_FIELD(entry, primary) };
static const struct ud_field place_fields[] = { UD_FIELD(place, path, .max = UD_HY_LIST) };
/* clang-format on */
static const char *const server_paths[] = { "ReplicationEnabled", "AllowedAuthenticationType",
	"CertificateThumbprint", "CertificateAuthenticationPort", "KerberosAuthenticationPort" };
static const char *const entry_paths[] = { "AllowedPrimaryServer" };
static const char *const place_paths[] = { "VirtualHardDiskPath" };
static const struct ud_shape server_shape = { UD_SHAPE(server, server_fields),
	.object = "replication server", .bare = true },
			     entry_shape = { UD_SHAPE(entry, entry_fields), .object = "entry",
				     .bare = true },
			     place_shape = { UD_SHAPE(place, place_fields), .object = "place",
				     .bare = true };
static const struct ud_hy_class servers = { &server_shape, server_paths };
static const struct ud_hy_class entries = { &entry_shape, entry_paths };
static const struct ud_hy_class places = { &place_shape, place_paths };

struct receiving {
	struct server server;
	struct place place;
	bool allowed; /* the peer may send */
	const char *peer;
};

static const char *name_of(struct ud_ctx *cx, const char *address)
{
	const char *colon = address ? strrchr(address, ':') : NULL;

	return ud_strndup(cx->arena, address ? address : "",
		colon ? (size_t)(colon - address) : strlen(address ? address : ""));
}

static enum ud_code see_server(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r, struct receiving *ret)
{
	struct entry *rows = NULL;
	struct ud_hy_batch b;
	bool found = false;
	size_t n = 0;

	ud_hy_begin(cx, hv, &b);
	int server_call = ud_hy_call(&b, "Get-VMReplicationServer", &servers);
	int entry_call = ud_hy_call(&b, "Get-VMReplicationAuthorizationEntry", &entries);
	int place_call = ud_hy_call(&b, "Get-VMHost", &places);

	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, server_call, &found, &ret->server));
	UD_TRY(ud_hy_rows(&b, entry_call, &rows, &n));
	UD_TRY(ud_hy_row(&b, place_call, &found, &ret->place));
	ret->peer = name_of(cx, r->peer_address);
	for (size_t i = 0; i < n; i++)
		ret->allowed = ret->allowed ||
			(rows[i].primary && strcasecmp(rows[i].primary, ret->peer) == 0);
	return UD_OK;
}

/* Does the host take replicas with this authentication already? "CertificateAndKerberos": both. */
static bool takes(const struct server *s, bool kerberos)
{
	return s->enabled && s->authentication &&
		strstr(s->authentication, kerberos ? "Kerberos" : "Certificate");
}

/* What other relations come in by stays. */
static void add_server_settings(
	struct ud_hy_batch *b, const struct receiving *in, bool kerberos, const char *thumbprint)
{
	enum { HTTPS = 443, HTTP = 80 };
	bool both = takes(&in->server, !kerberos);

	ud_hy_call(b, "Set-VMReplicationServer", NULL);
	ud_hy_bool(b, "ReplicationEnabled", true);
	ud_hy_text(b, "AllowedAuthenticationType",
		both               ? "CertificateAndKerberos"
			: kerberos ? "Kerberos"
				   : "Certificate");
	ud_hy_bool(b, "ReplicationAllowedFromAnyServer", false);
	if (kerberos || both)
		ud_hy_int(b, "KerberosAuthenticationPort", HTTP);
	if (!kerberos || both)
		ud_hy_int(b, "CertificateAuthenticationPort", HTTPS);
	ud_hy_text(b, "CertificateThumbprint",
		thumbprint     ? thumbprint
			: both ? in->server.thumbprint
			       : NULL);
	ud_hy_switch(b, "Force");
}

static void add_receiver(struct ud_hy_batch *b, const struct ud_relation *r,
	const struct receiving *in, const char *thumbprint)
{
	bool kerberos = r->authentication == UD_AUTHENTICATION_KERBEROS;

	if (!takes(&in->server, kerberos)) {
		add_server_settings(b, in, kerberos, thumbprint);
		ud_hy_unasked(b);
		ud_hy_call(b, "Enable-NetFirewallRule", NULL);
		ud_hy_text(b, "Name",
			kerberos ? "VIRT-HVRHTTPL-In-TCP-NoScope"
				 : "VIRT-HVRHTTPSL-In-TCP-NoScope");
		ud_hy_unasked(b);
	}
	if (!in->allowed) {
		ud_hy_call(b, "New-VMReplicationAuthorizationEntry", NULL);
		ud_hy_text(b, "AllowedPrimaryServer", in->peer);
		ud_hy_text(b, "ReplicaStorageLocation", in->place.path);
		ud_hy_text(b, "TrustGroup", "understudy");
		ud_hy_unasked(b);
	}
}

/* Both ends can receive, or a failover could not be turned round. */
static enum ud_code make_receiver(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	struct receiving in = { 0 };
	const char *thumbprint = NULL, *broker = NULL;
	struct ud_hy_batch b;

	UD_TRY(ud_hy_broker(cx, hv, &broker));
	UD_TRY(see_server(cx, hv, r, &in));
	if (takes(&in.server, r->authentication == UD_AUTHENTICATION_KERBEROS) && in.allowed)
		return UD_OK;
	UD_TRY(ud_hy_thumbprint(cx, hv, r->authentication, &thumbprint));
	ud_hy_begin(cx, hv, &b);
	add_receiver(&b, r, &in, thumbprint);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

/* A former source whose relation was not turned from the other side takes the replica's part. */
static enum ud_code become_replica(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	const struct ud_hy_link *link)
{
	if (strcmp(link->mode, "Primary") != 0 || strcmp(link->state, "PreparedForFailover") == 0)
		return UD_OK;
	UD_TRY(ud_hy_quiet(cx, hv, r->uuid));
	return on_vm(cx, hv, r, "Set-VMReplication", "AsReplica");
}

/* ---- a first copy that is carried over ---- */

struct item {
	const char *name;
};
static const struct ud_field item_fields[] = { UD_FIELD(item, name) };
static const char *const item_paths[] = { "Name" };
static const struct ud_shape item_shape = { UD_SHAPE(item, item_fields), .object = "file",
	.bare = true };
static const struct ud_hy_class items = { &item_shape, item_paths };

/* Where the copy of a relation is written, and looked for at the other side. */
static const char *media_of(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	struct ud_hy *hy = ud_hy_of(hv);
	const char *own = ud_printf(cx->arena, "%s\\media", hy->dir);

	pthread_mutex_lock(&hy->lock);
	const char *root =
		hy->with.media && *hy->with.media ? ud_strdup(cx->arena, hy->with.media) : own;

	pthread_mutex_unlock(&hy->lock);
	return ud_printf(cx->arena, "%s\\%s", root, r->replication_id);
}

/* What the source has written is one folder per VM: taken in once somebody has brought it. */
static enum ud_code take_media(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	const char *folder = media_of(cx, hv, r);
	struct item *found = NULL;
	struct ud_hy_batch b;
	size_t n = 0;

	ud_hy_begin(cx, hv, &b);
	ud_hy_call(&b, "Get-ChildItem", &items);
	ud_hy_text(&b, "LiteralPath", folder);
	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, 0, &found, &n));
	if (n == 0)
		return UD_OK; /* it is on its way */
	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	ud_hy_call(&b, "Import-VMInitialReplication", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "Path", ud_printf(cx->arena, "%s\\%s", folder, found[0].name));
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_PREPARE_MS);
}

static enum ud_code how_first(
	struct ud_ctx *cx, const struct ud_relation *r, struct ud_relation_initial *ret)
{
	*ret = (struct ud_relation_initial){ 0 };
	if (!r->initial.text)
		return UD_OK;
	return ud_shape_read(
		cx, &ud_relation_initial_shape, r->initial.text, strlen(r->initial.text), ret);
}

static enum ud_code set_target(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r, bool turned)
{
	struct ud_relation_initial initial = { 0 };
	struct ud_hy_link link = { 0 };
	struct ud_hy_vm vm;
	bool found = false;

	UD_TRY(ud_hy_link(cx, hv, r, &found, &link));
	if (r->state == UD_RELATION_REMOVED)
		return found ? on_link(cx, hv, r, "Remove-VMReplication", NULL, at_once) : UD_OK;
	UD_TRY(make_receiver(cx, hv, r));
	UD_TRY(how_first(cx, r, &initial));
	if (found && initial.method == UD_INITIAL_EXTERNAL_MEDIA &&
		strcmp(link.state, "WaitingForInitialReplication") == 0)
		return take_media(cx, hv, r);
	if (found)
		return turned ? become_replica(cx, hv, r, &link) : UD_OK;
	if (initial.method != UD_INITIAL_EXISTING && initial.method != UD_INITIAL_REVERSE)
		return UD_OK;
	/* a copy of the VM lies here already, or the former source was freed of its relation */
	UD_TRY(ud_hy_look(cx, hv, r->uuid, &vm));
	return on_vm(cx, hv, r, "Enable-VMReplication", "AsReplica");
}

/* ---- the source ---- */

enum { HOUR_MAX = 12, HISTORY_MAX = 24 };

static enum ud_code check_wanted(struct ud_ctx *cx, const struct ud_relation *r)
{
	int64_t s = r->schedule_interval_seconds;
	bool extended = r->leg == UD_LEG_EXTENDED;

	if ((s != 30 && s != 300 && s != 900) || (extended && s == 30))
		return ud_fail(cx, UD_E_VALIDATION, "schedule_interval_seconds",
			extended ? "Hyper-V passes on every 300 or 900 seconds."
				 : "Hyper-V replicates every 30, 300 or 900 seconds.");
	if (r->recovery_points_kept < 0 || r->recovery_points_kept > HISTORY_MAX)
		return ud_fail(cx, UD_E_VALIDATION, "recovery_points_kept",
			"Hyper-V keeps at most %d points.", HISTORY_MAX);
	if (r->app_consistent_every_hours != UD_NONE &&
		(extended || r->app_consistent_every_hours > HOUR_MAX ||
			r->recovery_points_kept == 0))
		return ud_fail(cx, UD_E_VALIDATION, "app_consistent_every_hours",
			"Hyper-V takes application-consistent points every 1 to 12 hours, of a first "
			"copy that keeps points.");
	if (extended && r->excluded_disks.count > 0)
		return ud_fail(cx, UD_E_VALIDATION, "excluded_disks",
			"A third copy has the disks of the second.");
	return UD_OK;
}

static void add_settings(struct ud_hy_batch *b, const struct ud_relation *r)
{
	ud_hy_int(b, "ReplicationFrequencySec", r->schedule_interval_seconds);
	ud_hy_int(b, "RecoveryHistory", r->recovery_points_kept);
	if (r->leg == UD_LEG_PRIMARY)
		ud_hy_int(b, "VSSSnapshotFrequencyHour", r->app_consistent_every_hours);
	ud_hy_bool(b, "CompressionEnabled", r->compression != UD_COMPRESSION_NONE);
}

static enum ud_code excluded_paths(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r, struct ud_texts *ret)
{
	struct ud_hy_disk *disks = NULL;
	struct ud_hy_batch b;
	size_t n = 0;

	*ret = (struct ud_texts){ 0 };
	if (r->excluded_disks.count == 0)
		return UD_OK;
	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	int call = ud_hy_call(&b, "Get-VMHardDiskDrive", &ud_hy_disks);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, call, &disks, &n));
	ret->items = ud_alloc(cx->arena, sizeof(char *) * (n + 1));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < r->excluded_disks.count; k++)
			if (strcmp(ud_hy_target(cx, &disks[i]), r->excluded_disks.items[k]) == 0)
				ret->items[ret->count++] = disks[i].path;
	return UD_OK;
}

static enum ud_code enable(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	struct ud_texts excluded;
	const char *thumbprint = NULL;
	struct ud_hy_batch b;

	UD_TRY(ud_hy_thumbprint(cx, hv, r->authentication, &thumbprint));
	UD_TRY(excluded_paths(cx, hv, r, &excluded));
	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	ud_hy_call(&b, "Enable-VMReplication", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_peer(&b, r, thumbprint);
	add_settings(&b, r);
	ud_hy_texts(&b, "ExcludedVhdPath", &excluded);
	if (r->leg == UD_LEG_PRIMARY)
		ud_hy_bool(&b, "AutoResynchronizeEnabled", false);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static enum ud_code seed(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	struct ud_relation_initial initial = { 0 };
	struct ud_hy_batch b;

	UD_TRY(how_first(cx, r, &initial));
	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	ud_hy_call(&b, "Start-VMInitialReplication", NULL);
	ud_hy_ref(&b, "VM", 0);
	if (initial.method == UD_INITIAL_EXISTING)
		ud_hy_switch(&b, "UseBackup");
	if (initial.method == UD_INITIAL_EXTERNAL_MEDIA)
		ud_hy_text(&b, "DestinationPath", media_of(cx, hv, r));
	ud_hy_time(&b, "InitialReplicationStartTime", initial.start_at);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static enum ud_code reverse(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	const char *thumbprint = NULL;
	struct ud_hy_batch b;

	UD_TRY(ud_hy_thumbprint(cx, hv, r->authentication, &thumbprint));
	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	ud_hy_call(&b, "Set-VMReplication", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_switch(&b, "Reverse");
	ud_hy_peer(&b, r, thumbprint);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static enum ud_code change(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	const struct ud_hy_link *link)
{
	bool onward = r->leg == UD_LEG_EXTENDED, still = strcmp(link->state, "Suspended") == 0;
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, r->uuid, &b);
	int call = ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);

	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "ReplicationRelationshipType", onward ? "Extended" : "Simple");
	ud_hy_call(&b, "Set-VMReplication", NULL);
	ud_hy_ref(&b, "VMReplication", call);
	add_settings(&b, r);
	if (!onward && r->app_consistent_every_hours == UD_NONE)
		ud_hy_switch(&b, "DisableVSSSnapshotReplication");
	ud_hy_unasked(&b);
	if (still == (r->state == UD_RELATION_ACTIVE)) {
		ud_hy_call(&b, still ? "Resume-VMReplication" : "Suspend-VMReplication", NULL);
		ud_hy_ref(&b, "VMReplication", call);
		ud_hy_unasked(&b);
	}
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static bool is_failed_over(const struct ud_hy_link *link)
{
	return strcmp(link->mode, "Primary") != 0 &&
		(strcmp(link->state, "FailedOver") == 0 ||
			strcmp(link->state, "FailedOverWaitingCompletion") == 0);
}

/* Can its settings be changed, and itself be paused and resumed? */
static bool is_steady(const struct ud_hy_link *link)
{
	return strcmp(link->state, "Replicating") == 0 || strcmp(link->state, "Suspended") == 0;
}

static enum ud_code set_source(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r)
{
	struct ud_hy_link link = { 0 };
	bool found = false;

	UD_TRY(ud_hy_link(cx, hv, r, &found, &link));
	if (r->state == UD_RELATION_REMOVED)
		return found ? on_link(cx, hv, r, "Remove-VMReplication", NULL, at_once) : UD_OK;
	if (!found) {
		UD_TRY(make_receiver(cx, hv, r));
		UD_TRY(enable(cx, hv, r));
	} else if (is_failed_over(&link)) {
		UD_TRY(reverse(cx, hv, r));
	}
	UD_TRY(ud_hy_link(cx, hv, r, &found, &link));
	if (found && strcmp(link.state, "ReadyForInitialReplication") == 0)
		return r->state == UD_RELATION_ACTIVE ? seed(cx, hv, r) : UD_OK;
	return found && is_steady(&link) ? change(cx, hv, r, &link) : UD_OK;
}

/* ---- the slots ---- */

static enum ud_code stands(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	struct ud_relation_result *ret)
{
	struct ud_hy_link link = { 0 };
	bool found = false;

	UD_TRY(ud_hy_link(cx, hv, r, &found, &link));
	*ret = (struct ud_relation_result){ .replication_id = r->replication_id,
		.generation = r->generation,
		.state = found                            ? ud_hy_state_of(link.state, link.health)
			: r->state == UD_RELATION_REMOVED ? UD_REPLICATION_DISABLED
							  : UD_REPLICATION_READY_FOR_SEED };
	return UD_OK;
}

static void say_changed(struct ud_hv *hv, const char *replication_id)
{
	struct ud_hy *hy = ud_hy_of(hv);

	pthread_mutex_lock(&hy->lock);
	struct ud_hv_replication with = hy->with;

	pthread_mutex_unlock(&hy->lock);
	if (with.changed)
		with.changed(with.data, replication_id);
}

/* What is wanted is noted before it is done: done again, it starts from what Hyper-V shows. */
enum ud_code ud_hy_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret)
{
	struct ud_hy_note note = { 0 }, old = { 0 };
	struct ud_relation before = { 0 };
	struct ud_buf b = { 0 };
	bool found = false;

	UD_TRY(check_wanted(cx, relation));
	UD_TRY(ud_hy_note_find(cx, hv, relation->replication_id, &found, &old, &before));
	if (found && (relation->generation < before.generation || relation->epoch < before.epoch))
		return ud_fail(cx, UD_E_CONFLICT, NULL, "A newer relation stands here.");
	bool turned = found && (before.role != relation->role || old.displaced);

	note = found && before.role == relation->role ? old : (struct ud_hy_note){ 0 };
	note.displaced = turned && relation->role == UD_RELATION_TARGET;
	note.replication_id = relation->replication_id;
	ud_shape_encode(&b, &ud_relation_shape, relation, NULL);
	note.relation.text = ud_buf_take(cx->arena, &b);
	UD_TRY(ud_hy_note_put(cx, hv, &note));
	UD_TRY(relation->role == UD_RELATION_TARGET ? set_target(cx, hv, relation, turned)
						    : set_source(cx, hv, relation));
	UD_TRY(stands(cx, hv, relation, ret));
	say_changed(hv, relation->replication_id);
	return UD_OK;
}

/* Both hosts forget by themselves. The replica's VM and files stay: people decide about them. */
enum ud_code ud_hy_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret)
{
	struct ud_relation r = { 0 };
	struct ud_hy_note note = { 0 };
	struct ud_hy_link link = { 0 };
	bool known = false, found = false;

	*ret = (struct ud_relation_result){ .replication_id = drop->replication_id,
		.generation = UD_NONE,
		.state = UD_REPLICATION_DISABLED };
	UD_TRY(ud_hy_note_find(cx, hv, drop->replication_id, &known, &note, &r));
	if (!known)
		return UD_OK;
	UD_TRY(ud_hy_link(cx, hv, &r, &found, &link));
	if (found)
		UD_TRY(on_link(cx, hv, &r, "Remove-VMReplication", NULL, at_once));
	ud_hy_note_drop(cx, hv, drop->replication_id);
	return UD_OK;
}

enum ud_code ud_hy_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret)
{
	struct ud_relation r = { 0 };
	struct ud_hy_note note = { 0 };
	struct ud_hy_link link = { 0 };
	bool found = false;

	UD_TRY(ud_hy_note_get(cx, hv, resync->replication_id, &note, &r));
	UD_TRY(ud_hy_link(cx, hv, &r, &found, &link));
	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM does not replicate here.");
	if (r.role == UD_RELATION_SOURCE && strcmp(link.state, "Resynchronizing") != 0)
		UD_TRY(on_link(
			cx, hv, &r, "Resume-VMReplication", "Resynchronize", resync->start_at));
	return stands(cx, hv, &r, ret);
}

enum ud_code ud_hy_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret)
{
	const char *thumbprint = NULL;
	struct ud_hy_batch b;
	enum ud_code code = ud_hy_thumbprint(cx, hv, test->authentication, &thumbprint);
	int64_t began = ud_mono_ms(&ud_env_real);

	if (code == UD_OK) {
		ud_hy_begin(cx, hv, &b);
		ud_hy_call(&b, "Test-VMReplicationConnection", NULL);
		add_server(&b, test->peer_address);
		add_authentication(&b, test->authentication, thumbprint);
		code = ud_hy_run(&b, UD_HY_READ_MS);
	}
	*ret = (struct ud_relation_tested){ .reachable = code == UD_OK,
		.encrypted = test->authentication == UD_AUTHENTICATION_CERTIFICATE,
		.latency_ms = code == UD_OK ? ud_mono_ms(&ud_env_real) - began : UD_NONE,
		.bytes_per_second = UD_NONE,
		.code = code == UD_OK ? NULL : ud_error_info(code)->name,
		.text = code == UD_OK ? NULL : cx->problem.detail };
	ud_ctx_clear(cx);
	return UD_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of what those answers carry. */
#include "api/answers.h"

#include "api/failover_predict.h"
#include "base/machine.h"
#include "base/replication.h"
#include "db/addresses.h"
#include "db/hosts.h"
#include "db/recovery_plans.h"
#include "db/replications.h"
#include "db/sites.h"
#include "db/subscriptions.h"
#include "db/vms.h"
#include "db/workflows.h"

/* Members of answers: each is there; those of SAID are never null, those of COLUMN stand in short
 * tables. */
enum {
	MAYBE = UD_COMPUTED,
	SAID = UD_COMPUTED | UD_REQUIRED,
	COLUMN = UD_COMPUTED | UD_BRIEF,
	HEAD = UD_COMPUTED | UD_REQUIRED | UD_BRIEF,
	NUMBER = UD_COMPUTED | UD_NULLABLE,
};

/* clang-format off */
#define TEXT(name_, flags_, about_)      { .name = name_, .type = UD_TEXT, .flags = flags_, .about = about_ }
#define COUNT(name_, flags_, about_)     { .name = name_, .type = UD_INT, .flags = flags_, .about = about_ }
#define YES_NO(name_, about_)            { .name = name_, .type = UD_BOOL, .flags = SAID, .about = about_ }
#define ONE_OF(name_, values_, about_)   { .name = name_, .type = UD_ENUM, .flags = HEAD, .values = values_, .about = about_ }
#define INSTANT(name_, flags_, about_)   { .name = name_, .type = UD_INSTANT, .flags = flags_, .about = about_ }
#define ANY(name_, about_)               { .name = name_, .type = UD_JSON, .flags = MAYBE, .about = about_ }
#define PART(name_, part_, flags_, about_) { .name = name_, .type = UD_JSON, .flags = flags_, .part = part_, .about = about_ }
#define PARTS(name_, part_, about_)      { .name = name_, .type = UD_JSON, .flags = SAID, .part = part_, .many = true, .about = about_ }
/* Shapes that have a name of their own, and those that are only part of another. */
#define NAMED(object_, fields_, about_)  { .object = object_, .bare = true, .fields = fields_, .field_count = UD_LEN(fields_), .about = about_ }
#define UNNAMED(fields_)                 { .bare = true, .fields = fields_, .field_count = UD_LEN(fields_) }

/* ---- customers ---- */

static const char *const feature_states[] = { "entitled", "not_subscribed", "unsupported_by_host" };
static const struct ud_enum feature_state = { "feature_state", feature_states, UD_LEN(feature_states) };
static const struct ud_field feature_fields[] = {
	TEXT("feature", HEAD, "Which feature."),
	ONE_OF("state", &feature_state, "Whether the customer has it, and if not, why."),
	ONE_OF("add_on", &ud_add_ons, "What it is sold as."),
	TEXT("reason", COLUMN, "Why hosts cannot do it."),
};
const struct ud_shape ud_feature_shape = NAMED("feature", feature_fields, "Whether a customer has a feature.");

/* ---- the picture ---- */

static const struct ud_field picture_vm_fields[] = {
	TEXT("id", SAID, "Id of the VM."),
	TEXT("name", SAID, "Its name."),
	ONE_OF("power", &ud_powers, "What it does, as far as is known."),
	ONE_OF("power_last", &ud_powers, "What it did when it was last seen."),
	ONE_OF("dr_role", &ud_dr_roles, "Its part in replication."),
	YES_NO("split_brain_suspected", "It may run twice."),
	TEXT("customer_id", MAYBE, "Whose it is."),
};
static const struct ud_shape picture_vm = UNNAMED(picture_vm_fields);
static const struct ud_field picture_host_fields[] = {
	TEXT("id", SAID, "Id of the host."),
	TEXT("name", SAID, "Its name."),
	ONE_OF("state", &ud_host_states, "Whether it is in use."),
	ONE_OF("hypervisor", &ud_hypervisors, "What runs its VMs."),
	TEXT("fault_domain_id", MAYBE, "Where in the tree of fault domains it stands."),
	INSTANT("heartbeat_at", MAYBE, "When its agent was last heard of."),
	PARTS("vms", &picture_vm, "VMs on it."),
};
static const struct ud_shape picture_host = UNNAMED(picture_host_fields);
static const struct ud_field picture_domain_fields[] = {
	TEXT("id", SAID, "Id of the fault domain."),
	TEXT("name", SAID, "Its name."),
	ONE_OF("type", &ud_fault_domain_types, "Rack, chassis or node."),
	TEXT("parent_id", MAYBE, "The one it stands in."),
};
static const struct ud_shape picture_domain = UNNAMED(picture_domain_fields);
static const struct ud_field picture_site_fields[] = {
	TEXT("id", SAID, "Id of the site."),
	TEXT("name", SAID, "Its name."),
	TEXT("code", SAID, "Its short name."),
	ONE_OF("kind", &ud_site_kinds, "Whose it is."),
	ONE_OF("state", &ud_site_states, "Whether it is in use."),
	PARTS("fault_domains", &picture_domain, "Its fault domains."),
	PARTS("hosts", &picture_host, "Its hosts."),
};
static const struct ud_shape picture_site = UNNAMED(picture_site_fields);
static const struct ud_field picture_replication_fields[] = {
	TEXT("id", SAID, "Id of the replication."),
	TEXT("vm_id", SAID, "The VM that is copied."),
	ONE_OF("leg", &ud_legs, "To the replica, or from it to a third host."),
	TEXT("source_host_id", SAID, "Where it is copied from."),
	TEXT("target_host_id", SAID, "Where it is copied to."),
	ONE_OF("state", &ud_replication_states, "What the replication does."),
	ONE_OF("health", &ud_replication_healths, "How it is."),
};
static const struct ud_shape picture_replication = UNNAMED(picture_replication_fields);
static const struct ud_field topology_fields[] = {
	INSTANT("drawn_at", SAID, "When the picture was made."),
	PARTS("sites", &picture_site, "Sites, and what stands in them."),
	PARTS("replications", &picture_replication, "Who is copied where."),
};
const struct ud_shape ud_topology_shape = NAMED("topology", topology_fields, "Sites, fault domains, hosts and VMs as one tree.");

static const struct ud_field figures_fields[] = {
	INSTANT("taken_at", HEAD, "When they were taken."),
	COUNT("memory_used_bytes", NUMBER | UD_BRIEF, "Memory in use."),
	COUNT("cpu_percent", NUMBER | UD_BRIEF, "CPU; 100 = one processor."),
	COUNT("disk_read_bytes_per_second", NUMBER | UD_BRIEF, "Read from disks."),
	COUNT("disk_write_bytes_per_second", NUMBER | UD_BRIEF, "Written to disks."),
	COUNT("disk_reads_per_second", NUMBER, "Reads of disks."),
	COUNT("disk_writes_per_second", NUMBER, "Writes to disks."),
	COUNT("net_receive_bytes_per_second", NUMBER | UD_BRIEF, "Received from networks."),
	COUNT("net_send_bytes_per_second", NUMBER | UD_BRIEF, "Sent to networks."),
};
const struct ud_shape ud_figures_shape = UNNAMED(figures_fields);

/* ---- recovery plans ---- */

static const struct ud_field version_fields[] = {
	COUNT("version", HEAD, "Which version."),
	INSTANT("created_at", HEAD, "When it was made."),
	TEXT("created_by", COLUMN, "Id of who made it."),
	ANY("document", "The plan as it was."),
};
const struct ud_shape ud_plan_version_shape = UNNAMED(version_fields);

static const struct ud_field change_fields[] = {
	TEXT("path", HEAD, "What is meant: /members/VM/group."),
	ANY("from", "What it was; null = it was not there."),
	ANY("to", "What it is; null = it is not there any more."),
};
static const struct ud_shape change = UNNAMED(change_fields);
static const struct ud_field diff_fields[] = {
	TEXT("plan_id", SAID, "The plan."),
	COUNT("version", SAID, "The version that is looked at."),
	COUNT("against", SAID, "The one that it is compared with; 0 = there was none before."),
	PARTS("changes", &change, "What it says differently."),
};
const struct ud_shape ud_plan_diff_shape = NAMED("plan_diff", diff_fields, "What a version of a plan says differently.");

static const char *const readiness_names[] = { "unverified", "verified", "stale" };
static const struct ud_enum readiness = { "plan_readiness", readiness_names, UD_LEN(readiness_names) };
static const struct ud_field predicted_fields[] = {
	COUNT("rpo_seconds", NUMBER, "Age of the data it would go on with."),
	COUNT("rpo_low_seconds", NUMBER, "At the least; null = too few runs to say."),
	COUNT("rpo_high_seconds", NUMBER, "At the most; null = too few runs to say."),
	COUNT("rto_seconds", SAID, "Time it would take."),
	COUNT("rto_low_seconds", SAID, "At the least."),
	COUNT("rto_high_seconds", SAID, "At the most."),
	COUNT("downtime_seconds", SAID, "Time without the service."),
	COUNT("downtime_low_seconds", SAID, "At the least."),
	COUNT("downtime_high_seconds", SAID, "At the most."),
	TEXT("data_loss", MAYBE, "What would be lost."),
	ONE_OF("basis", &ud_predicted_bases, "What the times are learnt from."),
	COUNT("runs", SAID, "Earlier runs that the times are learnt from."),
	COUNT("confidence_percent", SAID, "How likely a run is to lie between least and most, at least, by these runs alone: 90 from 19 of them on."),
	COUNT("graded_runs", SAID, "Those of them whose time was predicted with an interval."),
	COUNT("held_runs", SAID, "Those of these whose time lay in it."),
	PARTS("addresses", &ud_predicted_card_shape, "What is kept for cards of its VMs where they come up."),
};
static const struct ud_shape predicted = UNNAMED(predicted_fields);
static const struct ud_field readiness_fields[] = {
	TEXT("plan_id", SAID, "The plan."),
	COUNT("version", SAID, "Its version."),
	ONE_OF("readiness", &readiness, "Whether its dry run found nothing in the way, and not long ago."),
	{ .name = "stale_because", .type = UD_TEXTS, .flags = SAID, .values = &ud_stale_reasons, .about = "What is another than when it was verified." },
	YES_NO("blocked", "Something stands in its way now."),
	PARTS("blockers", &ud_blocker_shape, "What that is, and what to mind."),
	PART("predicted", &predicted, SAID, "What it would cost."),
};
const struct ud_shape ud_plan_readiness_shape = NAMED("plan_readiness", readiness_fields, "What stands in the way of a plan.");

/* ---- failovers and their records ---- */

static const struct ud_field step_fields[] = {
	COUNT("n", HEAD, "Its number in the run."),
	TEXT("name", HEAD, "What is done."),
	TEXT("title", MAYBE, "What people call it: of a plan's own steps."),
	TEXT("phase", SAID, "Part of the run that it belongs to."),
	ONE_OF("state", &ud_step_states, "How far it is."),
	TEXT("vm_id", COLUMN, "For which VM."),
	TEXT("host_id", COLUMN, "On which host."),
	COUNT("attempts", SAID, "How often it was tried."),
	TEXT("signature", MAYBE, "Is the host's answer signed by its agent: valid, invalid, missing; null without an answer."),
	INSTANT("started_at", COLUMN, "When it began."),
	INSTANT("ended_at", COLUMN, "When it ended."),
	ANY("error", "Why it failed, or null."),
};
const struct ud_shape ud_step_shape = UNNAMED(step_fields);

static const struct ud_field line_fields[] = {
	TEXT("vm_id", SAID, "The VM."),
	TEXT("step", HEAD, "The step."),
	TEXT("event", HEAD, "What happened in it."),
	TEXT("host_id", COLUMN, "On which host."),
	TEXT("actor_id", COLUMN, "Who did it."),
	TEXT("detail", COLUMN, "What is to be said of it."),
	INSTANT("at", COLUMN, "When it happened."),
};
const struct ud_shape ud_line_shape = UNNAMED(line_fields);

static const struct ud_field seal_fields[] = {
	TEXT("algorithm", SAID, "Always ed25519."),
	TEXT("digest", SAID, "SHA-256 of the record without its seal."),
	TEXT("public_key", SAID, "Key that it was sealed with."),
	TEXT("signature", SAID, "The signature of the digest."),
};
static const struct ud_shape seal = UNNAMED(seal_fields);
static const struct ud_field bundle_fields[] = {
	TEXT("schema", SAID, "Version of the record's form."),
	TEXT("id", SAID, "Id of the record."),
	TEXT("generator", SAID, "What made it."),
	INSTANT("sealed_at", SAID, "When it was sealed."),
	TEXT("plan", MAYBE, "What was approved, as text."),
	TEXT("plan_hash", MAYBE, "Its hash."),
	ANY("failover", "The run."),
	PARTS("approvals", NULL, "Who said yes."),
	PARTS("attestations", NULL, "What people stated."),
	PARTS("waivers", NULL, "What was waived."),
	PARTS("vms", NULL, "Each VM's part."),
	PARTS("steps", NULL, "Steps, with what agents answered."),
	PARTS("timeline", NULL, "Everything that happened, chained."),
	PARTS("pictures", NULL, "Screens of guests, as PNG."),
	PARTS("hosts", NULL, "Hosts, and the keys of their agents."),
	PARTS("agents", NULL, "Keys that agents sign with."),
	PARTS("statements", NULL, "What agents have signed."),
	PARTS("absences", NULL, "What is not there although one might look for it."),
	ANY("digests", "SHA-256 of each part."),
	PART("seal", &seal, SAID, "The seal."),
};
const struct ud_shape ud_bundle_shape = UNNAMED(bundle_fields);

static const struct ud_field evidence_finding_fields[] = {
	TEXT("where", SAID, "Which part."),
	TEXT("what", SAID, "What is wrong with it."),
};
static const struct ud_shape evidence_finding = UNNAMED(evidence_finding_fields);
static const struct ud_field bundle_report_fields[] = {
	TEXT("id", SAID, "Id of the record."),
	YES_NO("intact", "Nothing is wrong with it."),
	COUNT("parts", SAID, "Parts that were compared."),
	COUNT("lines", SAID, "Lines of its log that were compared."),
	COUNT("pictures", SAID, "Pictures that were compared."),
	COUNT("signed_answers", SAID, "Answers that the agent signed that gave them."),
	COUNT("unsigned_answers", SAID, "Those without a valid signature."),
	TEXT("public_key", SAID, "Key that it is sealed with."),
	PARTS("findings", &evidence_finding, "What is wrong."),
};
const struct ud_shape ud_bundle_report_shape = NAMED("evidence_verification", bundle_report_fields, "What checking a record found.");

static const struct ud_field signing_key_fields[] = {
	TEXT("algorithm", HEAD, "Always ed25519."),
	TEXT("public_key", HEAD, "The public key, in hex."),
};
const struct ud_shape ud_signing_key_shape = UNNAMED(signing_key_fields);

static const struct ud_field statement_key_fields[] = {
	TEXT("algorithm", HEAD, "Always ed25519."),
	TEXT("public_key", HEAD, "The public key, in hex."),
	INSTANT("since", COLUMN, "When it was told."),
	INSTANT("until", COLUMN, "When another was told; null = it holds."),
};
const struct ud_shape ud_statement_key_shape = UNNAMED(statement_key_fields);

/* ---- addresses, tickets ---- */

static const char *const cell_kinds[] = { "block", "address" };
static const struct ud_enum cell_kind = { "cell_kind", cell_kinds, UD_LEN(cell_kinds) };
static const struct ud_field cell_fields[] = {
	ONE_OF("kind", &cell_kind, "A part, or an address."),
	TEXT("range", SAID, "Its prefix or address."),
	TEXT("id", SAID, "Its id."),
	TEXT("customer_id", MAYBE, "Who has it."),
	ONE_OF("state", &ud_address_states, "How it is used."),
};
static const struct ud_shape cell = UNNAMED(cell_fields);
static const struct ud_field map_fields[] = {
	TEXT("block_id", SAID, "The block."),
	TEXT("prefix", SAID, "Its range."),
	PARTS("cells", &cell, "What is taken, parts first."),
	YES_NO("complete", "Nothing was left out."),
};
const struct ud_shape ud_block_map_shape = NAMED("ip_block_map", map_fields, "What of a block is taken.");

static const struct ud_field viewer_fields[] = {
	TEXT("user_id", SAID, "Who looks."),
	TEXT("user_name", HEAD, "That person's name."),
	INSTANT("since", HEAD, "Since when."),
};
const struct ud_shape ud_viewer_shape = UNNAMED(viewer_fields);

/* ---- the installation ---- */

const struct ud_shape ud_result_shape = { .bare = true,
	.about = "What the operation made: of a form that its kind has." };

static const struct ud_field copy_fields[] = {
	TEXT("object", SAID, "Always backup."),
	TEXT("engine", SAID, "sqlite or postgresql."),
	COUNT("schema_version", SAID, "Newest migration in the copy."),
	COUNT("generation", SAID, "Generation of the database."),
	INSTANT("created_at", SAID, "When the copy was begun."),
	COUNT("size_bytes", SAID, "Size of the file."),
	TEXT("sha256", SAID, "SHA-256 of the file, in hex."),
	COUNT("events", SAID, "Rows of the log."),
	COUNT("users", SAID, "Rows of users."),
	COUNT("customers", SAID, "Rows of customers."),
};
static const struct ud_shape copy = UNNAMED(copy_fields);
static const struct ud_field backup_fields[] = {
	PART("latest", &copy, NUMBER, "The newest copy; null before the first."),
};
const struct ud_shape ud_backup_status_shape = NAMED("backup_status", backup_fields, "The newest copy of the database.");

static const struct ud_field finding_fields[] = {
	TEXT("object", HEAD, "Kind of what was found."),
	TEXT("id", HEAD, "Its id."),
	TEXT("customer_id", MAYBE, "Whose it is."),
	TEXT("title", COLUMN, "Its name."),
};
const struct ud_shape ud_finding_shape = UNNAMED(finding_fields);

static const struct ud_field health_fields[] = { TEXT("status", SAID, "Always ok.") };
const struct ud_shape ud_health_shape = UNNAMED(health_fields);

static const struct ud_field ready_fields[] = {
	TEXT("status", SAID, "Always ready."),
	TEXT("recovery", SAID, "Of a server that was restored: what it waits for."),
	COUNT("hosts_missing", SAID, "Then: hosts that were not heard of yet."),
	COUNT("vms_held", SAID, "Then: VMs that nothing is done with yet."),
};
const struct ud_shape ud_readiness_shape = UNNAMED(ready_fields);

static const struct ud_field server_version_fields[] = {
	TEXT("version", SAID, "Version of the server."),
	TEXT("api", SAID, "Version of the API."),
};
const struct ud_shape ud_version_shape = NAMED("version", server_version_fields, "Which server this is.");

static const struct ud_field specification_fields[] = {
	TEXT("openapi", SAID, "Version of OpenAPI."),
	ANY("info", "Title, version and licence."),
	PARTS("servers", NULL, "Where calls go."),
	PARTS("security", NULL, "Ways to say who asks."),
	PARTS("tags", NULL, "Parts of the API."),
	ANY("paths", "Calls by their path."),
	ANY("components", "Schemas of what they take and answer."),
};
const struct ud_shape ud_specification_shape = UNNAMED(specification_fields);
/* clang-format on */

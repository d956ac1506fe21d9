/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program inside the test guest: writes the ring of ring.h for ever, and answers the tests'
 * questions through the guest agent. Static, because the guest has little else. Started by init and
 * by people; the verbs stand in the table at the end. It must run on the guest's kernel alone, so
 * it uses nothing of base/.
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* The two rings, and the lock that whoever reads both holds against the writer. */
struct rings {
	const char *first, *second, *lock;
	uint64_t slots;
	uint64_t pause_ms;
	int fd[2];
	int lock_fd;
};

struct verb {
	const char *name;
	const char *args;
	int count;
	int (*run)(struct rings *rings, char **args);
};

static int complain(const char *what, int failed)
{
	fprintf(stderr, "writer: %s: %s\n", what, strerror(failed));
	return 2;
}

/* A number of the command line, or of none: the sentence says what it was for. */
static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-') {
		fprintf(stderr, "writer: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static int open_rings(struct rings *g)
{
	g->fd[0] = open(g->first, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (g->fd[0] < 0)
		return complain(g->first, errno);
	g->fd[1] = open(g->second, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (g->fd[1] < 0)
		return complain(g->second, errno);
	g->lock_fd = open(g->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return g->lock_fd < 0 ? complain(g->lock, errno) : 0;
}

/* Read both rings from their disks while the writer waits, and say in one line what they hold.
 * 0: as it must be, 1: not so. */
static int verify(struct rings *g, uint64_t *ret_last)
{
	struct ud_ring_state s[2] = { 0 };
	bool good;

	flock(g->lock_fd, LOCK_EX);
	for (int i = 0; i < 2; i++) {
		int failed;

		/* what is durable is read again from the disk, not from memory */
		posix_fadvise(g->fd[i], 0, 0, POSIX_FADV_DONTNEED);
		failed = ud_ring_scan(g->fd[i], g->slots, &s[i]);
		if (failed) {
			flock(g->lock_fd, LOCK_UN);
			return complain(i ? g->second : g->first, failed);
		}
	}
	flock(g->lock_fd, LOCK_UN);
	good = ud_ring_agree(&s[0], &s[1]);
	printf("verify: slots=%" PRIu64 " a=%" PRIu64 " b=%" PRIu64 " lead=%" PRId64 " bad=%" PRIu64
	       " gaps=%" PRIu64 " %s\n",
		g->slots, s[0].last, s[1].last, (int64_t)(s[0].last - s[1].last),
		s[0].bad + s[1].bad, s[0].gaps + s[1].gaps, good ? "clean" : "BROKEN");
	fflush(stdout);
	if (ret_last)
		*ret_last = s[0].last < s[1].last ? s[0].last : s[1].last;
	return good ? 0 : 1;
}

static uint64_t now_ms(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void read_boot_id(uint64_t ret_boot[2])
{
	char text[64] = "";
	unsigned long long high = 0, low = 0;
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f) {
		unsigned int a = 0, b = 0, c = 0, d = 0;

		if (fgets(text, sizeof(text), f) &&
			sscanf(text, "%8x-%4x-%4x-%4x-%12llx", &a, &b, &c, &d, &low) == 5)
			high = (unsigned long long)a << 32 | b << 16 | c,
			low |= (unsigned long long)d << 48;
		fclose(f);
	}
	ret_boot[0] = high;
	ret_boot[1] = low;
}

/* One record to both rings, the first before the second. */
static int write_pair(struct rings *g, const struct ud_ring_record *r)
{
	int failed = 0;

	flock(g->lock_fd, LOCK_EX);
	for (int i = 0; i < 2 && !failed; i++)
		failed = ud_ring_put(g->fd[i], r);
	flock(g->lock_fd, LOCK_UN);
	return failed;
}

/* A descriptor that becomes readable when somebody asks us to end. */
static int ask_for_end(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Look at what is there; when that is as it must be, go on from the record that both rings have. */
static int run_writer(struct rings *g, char **args)
{
	struct ud_ring_record r;
	struct pollfd end = { .fd = ask_for_end(), .events = POLLIN };
	uint64_t boot[2], last = 0;
	int failed = open_rings(g);

	(void)args;
	if (failed)
		return failed;
	failed = verify(g, &last);
	if (failed)
		return failed;
	read_boot_id(boot);
	printf("writer: running from %" PRIu64 "\n", last + 1);
	fflush(stdout);
	do {
		ud_ring_fill(&r, ++last, g->slots, now_ms(), boot);
		failed = write_pair(g, &r);
		if (failed)
			return complain("writing", failed);
	} while (poll(&end, 1, (int)g->pause_ms) == 0);
	printf("writer: ended after %" PRIu64 "\n", last);
	return 0;
}

static int run_verify(struct rings *g, char **args)
{
	int failed = open_rings(g);

	(void)args;
	return failed ? failed : verify(g, NULL);
}

/* Where on this file or disk a test may write: behind the second ring when it is that disk; nowhere
 * on the first ring's file. */
static int room_of(const struct rings *g, int fd, uint64_t *ret_from, uint64_t *ret_size)
{
	struct stat st, ring;
	uint64_t size;

	if (fstat(fd, &st))
		return errno;
	size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &size))
		return errno;
	if (stat(g->first, &ring) == 0 && ring.st_dev == st.st_dev && ring.st_ino == st.st_ino)
		return EPERM;
	*ret_from = 0;
	*ret_size = size;
	if (stat(g->second, &ring) == 0 &&
		(S_ISBLK(st.st_mode) ? S_ISBLK(ring.st_mode) && ring.st_rdev == st.st_rdev
				     : ring.st_dev == st.st_dev && ring.st_ino == st.st_ino))
		*ret_from = g->slots * UD_RING_BLOCK;
	return 0;
}

/* Open a test's target; a disk that is mounted answers "busy". */
static int open_target(const char *path, int flags)
{
	struct stat st;
	bool disk = stat(path, &st) == 0 && S_ISBLK(st.st_mode);

	return open(path, (disk ? O_EXCL : flags) | O_RDWR | O_CLOEXEC, 0600);
}

static int run_dirty(struct rings *g, char **args)
{
	uint64_t bytes = number(args[1]) * MIB, seed = number(args[2]), at = number(args[3]) * MIB;
	uint64_t from = 0, size = 0;
	int fd = open_target(args[0], O_CREAT), failed;

	if (fd < 0)
		return complain(args[0], errno);
	failed = room_of(g, fd, &from, &size);
	if (!failed && at < from)
		failed = EPERM;
	if (!failed)
		failed = ud_ring_dirty(fd, at, bytes, seed);
	close(fd);
	if (failed)
		return complain(args[0], failed);
	printf("dirty: %" PRIu64 " bytes at %" PRIu64 "\n", bytes, at);
	return 0;
}

static int run_same(struct rings *g, char **args)
{
	uint64_t bytes = number(args[1]) * MIB, seed = number(args[2]), at = number(args[3]) * MIB,
		 blocks = 0;
	int fd = open(args[0], O_RDONLY | O_CLOEXEC), failed;

	(void)g;
	if (fd < 0)
		return complain(args[0], errno);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	failed = ud_ring_differ(fd, at, bytes, seed, &blocks);
	close(fd);
	if (failed)
		return complain(args[0], failed);
	printf("same: %" PRIu64 " of %" PRIu64 " blocks differ\n", blocks, bytes / UD_RING_BLOCK);
	return blocks ? 1 : 0;
}

static int run_rand4k(struct rings *g, char **args)
{
	uint64_t count = number(args[1]), span = number(args[2]), seed = number(args[3]);
	uint64_t from = 0, size = 0;
	int fd = open_target(args[0], 0), failed;

	if (fd < 0)
		return complain(args[0], errno);
	failed = room_of(g, fd, &from, &size);
	if (!failed) {
		uint64_t room = size > from ? size - from : 0;

		failed = ud_ring_scatter(fd, from, span < room ? span : room, count, seed);
	}
	close(fd);
	if (failed)
		return complain(args[0], failed);
	printf("rand4k: %" PRIu64 " blocks from %" PRIu64 "\n", count, from);
	return 0;
}

/*                                    verb      arguments             count, function */
static const struct verb verbs[] = { { "run", "", 0, run_writer }, { "verify", "", 0, run_verify },
	{ "dirty", "FILE MIB SEED OFFSET_MIB", 4, run_dirty },
	{ "same", "FILE MIB SEED OFFSET_MIB", 4, run_same },
	{ "rand4k", "DISK COUNT SPAN_BYTES SEED", 4, run_rand4k } };

static int usage(void)
{
	fputs("usage: writer [-a FIRST] [-b SECOND] [-l LOCK] [-s SLOTS] [-p PAUSE_MS] VERB\n",
		stderr);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "  %s %s\n", verbs[i].name, verbs[i].args);
	return 2;
}

int main(int argc, char **argv)
{
	/* the pause leaves a moment in which a reader gets the lock */
	struct rings g = { .first = "/data/ring",
		.second = "/dev/vdb",
		.lock = "/run/ring.lock",
		.slots = 4096,
		.pause_ms = 2 };
	int option;

	while ((option = getopt(argc, argv, "+a:b:l:s:p:")) != -1) {
		switch (option) {
		case 'a':
			g.first = optarg;
			break;
		case 'b':
			g.second = optarg;
			break;
		case 'l':
			g.lock = optarg;
			break;
		case 's':
			g.slots = number(optarg);
			break;
		case 'p':
			g.pause_ms = number(optarg);
			break;
		default:
			return usage();
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0 && argc - optind - 1 == verbs[i].count)
			return verbs[i].run(&g, argv + optind + 1);
	return usage();
}

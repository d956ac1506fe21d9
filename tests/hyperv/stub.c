/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent starts in place of powershell.exe: it hands its words and its standard input to the
 * site that runs behind a socket (tests/hyperv/powershell.py), and prints what comes back. When
 * nothing comes it has died, and says so by its exit status.
 * usage: hyperv-stub SOCKET HOST WORD…
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE = 65536, DIED = 7 };

static int copy(int from, int to)
{
	static char piece[PIECE];
	int any = 0;

	for (;;) {
		ssize_t n = read(from, piece, sizeof(piece));

		if (n <= 0)
			return n < 0 ? -1 : any;
		any = 1;
		for (ssize_t done = 0; done < n;) {
			ssize_t k = write(to, piece + done, (size_t)(n - done));

			if (k < 0)
				return -1;
			done += k;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc < 3 || strlen(argv[1]) >= sizeof(at.sun_path))
		return 2;
	strncpy(at.sun_path, argv[1], sizeof(at.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return 3;
	for (int i = 2; i < argc; i++)
		if (write(fd, argv[i], strlen(argv[i]) + 1) < 0)
			return 3;
	if (write(fd, "\n", 1) < 0 || copy(STDIN_FILENO, fd) < 0 || shutdown(fd, SHUT_WR) != 0)
		return 3;
	return copy(fd, STDOUT_FILENO) > 0 ? 0 : DIED;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* launch.c - one daemon a directory, and how it goes to the background. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "jackfield/abi.h"

/* The holder's process id, for people and scripts; the lock itself is the kernel's. */
static void
lock_write_pid(int fd)
{
	g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());

	if (ftruncate(fd, 0) != 0 || write(fd, text, strlen(text)) < 0)
		g_message("Cannot write the process id into the lock file: %s", g_strerror(errno));
}

int
launch_lock(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, "jackfieldd.lock", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "Cannot open %s: %s", path,
			    g_strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		lock_write_pid(fd);
		return fd;
	}
	close(fd);
	g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "Another jackfieldd uses %s", dir);
	return -1;
}

gboolean
launch_wait_socket(const char *path)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	const gint64 deadline = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;

	do {
		g_autoptr(GSocketConnection) connection =
			g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);

		if (connection)
			return TRUE;
		g_usleep(5000);
	} while (g_get_monotonic_time() < deadline);
	return FALSE;
}

void
launch_redirect(const char *log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(out >= 0 ? out : null, STDERR_FILENO);
	close(null);
	if (out >= 0)
		close(out);
}

/* The parent: its exit code is the child's first word. */
static void
launch_wait_ready(int fd)
{
	char byte = 0;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int
launch_fork(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		perror("jackfieldd: pipe");
		exit(EXIT_FAILURE);
	}
	pid = fork();
	if (pid < 0) {
		perror("jackfieldd: fork");
		exit(EXIT_FAILURE);
	}
	if (pid > 0) {
		close(fds[1]);
		launch_wait_ready(fds[0]);
	}
	close(fds[0]);
	setsid();
	return fds[1];
}

void
launch_report_ready(int ready_fd)
{
	if (ready_fd < 0)
		return;
	if (write(ready_fd, "1", 1) != 1)
		g_message("Whoever started this has gone");
	close(ready_fd);
}

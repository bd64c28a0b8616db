// SPDX-License-Identifier: Apache-2.0
// Runs the points of a sweep. A result is written as a whole or not at all, so one that is there is complete.
#include "cli/sweep_jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/sweep_hash.h"
#include "cli/sweep_needs.h"

#define LINE_MOST 1024u
#define OWN_NAME "duplex: "  // before every error

struct job {
  pid_t process;  // 0: none
  size_t point;
  int errors;  // what it says on standard error
};

static char *path_of(const struct sweep_jobs *jobs, char *const *arguments) {
  const size_t size = strlen(jobs->folder) + 32;
  char *path = malloc(size);
  if (path) snprintf(path, size, "%s/%016" PRIx64 ".json", jobs->folder, sweep_arguments_hash(arguments));
  return path;
}

char *sweep_result_path(const struct sweep_jobs *jobs, size_t point) {
  char **arguments = sweep_needs_arguments(jobs->plan, point);
  char *path = arguments ? path_of(jobs, arguments) : NULL;
  sweep_arguments_free(arguments);
  return path;
}

// In the new process: ends with its parent, says nothing but errors.
static void become_serve(char **arguments, pid_t parent, int errors) {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
      dup2(nothing, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0)
    execv("/proc/self/exe", arguments);
  _exit(EXIT_ERROR);
}

// Starts a process for one point, with its errors in a file without a name; appends --json to `arguments`.
static int start(struct job *job, size_t point, char **arguments, char *path) {
  size_t count = 0;
  const pid_t parent = getpid();
  FILE *errors = tmpfile();
  while (arguments[count]) count++;
  arguments[count] = strdup("--json");
  arguments[count + 1] = arguments[count] ? strdup(path) : NULL;
  if (!errors || !arguments[count + 1]) {
    if (errors) fclose(errors);
    return fail(EXIT_ERROR, "too little memory or no file for the errors of a point");
  }
  *job = (struct job){.point = point, .errors = fcntl(fileno(errors), F_DUPFD_CLOEXEC, 3)};
  fclose(errors);
  if (job->errors < 0) return fail(EXIT_ERROR, "errors of a point: %s", strerror(errno));
  job->process = fork();
  if (job->process == 0) become_serve(arguments, parent, job->errors);
  if (job->process > 0) return EXIT_GOOD;
  close(job->errors);
  job->process = 0;
  return fail(EXIT_ERROR, "a process for a point: %s", strerror(errno));
}

// Starts a point unless its result is kept; *job has no process then.
static int start_point(struct sweep_jobs *jobs, struct job *job, size_t point) {
  char **arguments = sweep_needs_arguments(jobs->plan, point);
  char *path = arguments ? path_of(jobs, arguments) : NULL;
  int status = EXIT_GOOD;
  if (!path)
    status = fail(EXIT_ERROR, "too little memory for a point");
  else if (!jobs->again && access(path, F_OK) == 0)
    jobs->kept++;
  else
    status = start(job, point, arguments, path);
  free(path);
  sweep_arguments_free(arguments);
  return status;
}

// The first line that a failed point said, without its begin and end.
static char *read_error(int file) {
  char line[LINE_MOST];
  const ssize_t size = pread(file, line, sizeof line - 1, 0);
  line[size > 0 ? size : 0] = 0;
  line[strcspn(line, "\n")] = 0;
  const char *said = strncmp(line, OWN_NAME, strlen(OWN_NAME)) == 0 ? line + strlen(OWN_NAME) : line;
  return strdup(said[0] ? said : "ended without a word");
}

static int end(struct sweep_jobs *jobs, struct job *job, int state) {
  int status = EXIT_GOOD;
  if (!WIFEXITED(state) || WEXITSTATUS(state) != EXIT_GOOD) {
    jobs->failed++;
    jobs->errors[job->point] = read_error(job->errors);
    if (!jobs->errors[job->point]) status = fail(EXIT_ERROR, "too little memory for the error of a point");
  }
  close(job->errors);
  job->process = 0;
  return status;
}

// Waits until one of the processes ends.
static int wait_for_one(struct sweep_jobs *jobs, struct job *list) {
  int state;
  const pid_t process = wait(&state);
  for (unsigned i = 0; i < jobs->most; i++)
    if (process > 0 && list[i].process == process) return end(jobs, &list[i], state);
  return process > 0 || errno == EINTR ? EXIT_GOOD : fail(EXIT_ERROR, "wait: %s", strerror(errno));
}

static struct job *free_job(const struct sweep_jobs *jobs, struct job *list) {
  for (unsigned i = 0; i < jobs->most; i++)
    if (!list[i].process) return &list[i];
  return NULL;
}

static bool is_any(const struct sweep_jobs *jobs, const struct job *list) {
  for (unsigned i = 0; i < jobs->most; i++)
    if (list[i].process) return true;
  return false;
}

static int run_all(struct sweep_jobs *jobs, struct job *list) {
  int status = EXIT_GOOD;
  size_t next = 0;
  progress("points of %s", jobs->plan->path);
  while (!status && (next < jobs->plan->points || is_any(jobs, list))) {
    struct job *job = next < jobs->plan->points ? free_job(jobs, list) : NULL;
    status = job ? start_point(jobs, job, next++) : wait_for_one(jobs, list);
    progress_share(next, jobs->plan->points);
  }
  for (unsigned i = 0; i < jobs->most; i++)
    if (list[i].process) kill(list[i].process, SIGTERM);
  while (is_any(jobs, list) && !wait_for_one(jobs, list)) continue;
  progress_end();
  return status;
}

int sweep_jobs_run(struct sweep_jobs *jobs) {
  struct job *list = calloc(jobs->most, sizeof *list);
  jobs->errors = calloc(jobs->plan->points, sizeof *jobs->errors);
  const int status = list && jobs->errors
                         ? run_all(jobs, list)
                         : fail(EXIT_ERROR, "too little memory for %zu points", jobs->plan->points);
  free(list);
  return status;
}

void sweep_jobs_free(struct sweep_jobs *jobs) {
  for (size_t i = 0; jobs->errors && i < jobs->plan->points; i++) free(jobs->errors[i]);
  free(jobs->errors);
}

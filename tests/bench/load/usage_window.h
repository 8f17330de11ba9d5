// What the server, the load and everybody else used, as figures of a run.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/process_sample.h"
#include "load/report.h"

namespace linarite::load {

// Of 0: all fields 0. Ends the program if there is no such process: nothing measured then counts.
ProcessSample sample_or_give_up(pid_t process);
double own_cpu_s();

// What the server, the load and everybody else used between construction and add_to().
class Window {
 public:
  Window(pid_t server, double now_s);
  // `count` operations were completed in the window.
  void add_to(Report& report, uint64_t count, double now_s) const;

 private:
  pid_t server_;
  double started_s_;
  ProcessSample before_;
  double own_before_s_;
  double machine_before_s_;
};

}  // namespace linarite::load

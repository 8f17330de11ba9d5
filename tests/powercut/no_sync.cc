// For the control run of the power-cut tests: a server under LD_PRELOAD of this library believes
// that its data is on the disk when it is not. A checker that passes it checks nothing.
extern "C" {

int fsync(int /*descriptor*/) { return 0; }
int fdatasync(int /*descriptor*/) { return 0; }
int sync_file_range(int /*descriptor*/, long /*offset*/, long /*size*/, unsigned int /*flags*/) {
  return 0;
}

}  // extern "C"

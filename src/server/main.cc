#include "cli/cli.h"

int main(int argc, char** argv) { return linarite::cli::run(argc, argv); }

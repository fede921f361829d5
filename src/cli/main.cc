#include <cstdio>

int main() {
  std::puts("tidegate " TIDEGATE_VERSION);
  return 0;
}

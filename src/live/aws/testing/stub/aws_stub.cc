// An AWS with one auto scaling group, until it is killed. GET /state says how the group is, and
// POST /desired writes it as somebody else would, POST /spot gives the instance's notice (all
// without a signature).
//   aws_stub URL_FILE GROUP MACHINES     writes its URL to URL_FILE once it listens
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "live/aws/testing/fake_aws.h"

int main(int argc, char** argv) {
  using namespace tidegate;
  if (argc != 4) {
    std::fputs("aws_stub URL_FILE GROUP MACHINES\n", stderr);
    return 2;
  }
  auto loop = net::Loop::create().value();
  live::aws::FakeAws aws(*loop);
  live::aws::FakeGroup& group = aws.add_group(argv[2]);
  group.capacity = std::atoll(argv[3]);
  const std::string path = argv[1], fresh = path + ".new";
  std::ofstream(fresh) << aws.url();
  std::rename(fresh.c_str(), path.c_str());
  loop->run();
}

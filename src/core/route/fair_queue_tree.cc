// The treap of one tenant's requests: by deadline and sequence from left to right, by a shuffled
// sequence from top to bottom, each knowing how many and how much stand under it.
#include "core/route/fair_queue.h"

namespace tidegate::route {
namespace {

/// Priority in the treap: as good as random, the same on every run.
std::uint64_t shuffle(std::uint64_t sequence) {
  sequence = (sequence ^ (sequence >> 31)) * 0xBF58476D1CE4E5B9ULL;
  return (sequence ^ (sequence >> 29)) * 0x94D049BB133111EBULL;
}

}  // namespace

bool FairQueue::before(Slot a, Slot b) const {
  const Request &x = requests_[a], &y = requests_[b];
  return x.deadline != y.deadline ? x.deadline < y.deadline : x.sequence < y.sequence;
}

void FairQueue::pull(Slot node) {
  Request& r = requests_[node];
  r.tree_size = 1;
  r.tree_cost = r.cost();
  for (Slot child : {r.left, r.right}) {
    if (child == kNil) continue;
    r.tree_size += requests_[child].tree_size;
    r.tree_cost += requests_[child].tree_cost;
  }
}

Slot FairQueue::merge(Slot a, Slot b) {
  if (a == kNil) return b;
  if (b == kNil) return a;
  bool a_above = shuffle(requests_[a].sequence) > shuffle(requests_[b].sequence);
  Slot root = a_above ? a : b;
  if (a_above) {
    requests_[a].right = merge(requests_[a].right, b);
  } else {
    requests_[b].left = merge(a, requests_[b].left);
  }
  pull(root);
  return root;
}

void FairQueue::split(Slot node, Slot key, Slot& less, Slot& rest) {
  if (node == kNil) {
    less = rest = kNil;
    return;
  }
  if (before(node, key)) {
    split(requests_[node].right, key, requests_[node].right, rest);
    less = node;
  } else {
    split(requests_[node].left, key, less, requests_[node].left);
    rest = node;
  }
  pull(node);
}

/// Down to the first that stands lower in the heap, whose tree then parts around it.
void FairQueue::insert(Slot& root, Slot slot) {
  Request& r = requests_[slot];
  const std::uint64_t height = shuffle(r.sequence);
  Slot* link = &root;
  while (*link != kNil && shuffle(requests_[*link].sequence) > height) {
    const Slot node = *link;
    count_in(node, slot, 1);
    link = before(node, slot) ? &requests_[node].right : &requests_[node].left;
  }
  split(*link, slot, r.left, r.right);
  pull(slot);
  *link = slot;
}

void FairQueue::erase(Slot& root, Slot slot) {
  Slot* link = &root;
  while (*link != slot) {
    const Slot node = *link;
    count_in(node, slot, -1);
    link = before(slot, node) ? &requests_[node].left : &requests_[node].right;
  }
  *link = merge(requests_[slot].left, requests_[slot].right);
}

/// What comes into the tree under `node`, or goes out of it.
void FairQueue::count_in(Slot node, Slot slot, std::int64_t sign) {
  requests_[node].tree_size += sign;
  requests_[node].tree_cost += sign * requests_[slot].cost();
}

Slot FairQueue::first_of(Slot root) const {
  while (requests_[root].left != kNil) root = requests_[root].left;
  return root;
}

}  // namespace tidegate::route

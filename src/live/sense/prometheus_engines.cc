// The part of PrometheusSource that takes one answer apart into the pages of replicas.
#include <algorithm>
#include <tuple>
#include <utility>

#include "live/sense/prometheus_source.h"

namespace tidegate::live {
namespace {

constexpr const char* kName = "__name__";
constexpr const char* kJob = "job";
constexpr const char* kInstance = "instance";

}  // namespace

/// One series of an answer: whose it is, by which scrape target, and when it was scraped.
struct PrometheusSource::Row {
  ReplicaId replica;
  std::string job, instance;
  WallTime at;
  std::size_t series = 0;  ///< in the answer
  bool same_target(const Row& other) const {
    return job == other.job && instance == other.instance;
  }
};

std::vector<PrometheusSource::Row> PrometheusSource::rows_of(
    std::size_t variant, const format::PromqlAnswer& answer) const {
  std::map<std::string, ReplicaId, std::less<>> known;
  for (const auto& [id, replica] : replicas_) {
    if (replica.what.variant != variant) continue;
    known.emplace(replica.what.address.text(), id);
    if (!replica.what.name.empty()) known.emplace(replica.what.name, id);
    known.emplace(replica.what.address.host, id);
  }
  const std::string& label = model_.variants[variant].sense.replica_label;
  std::vector<Row> rows;
  format::SampleLine line;
  for (std::size_t i = 0; i < answer.size(); ++i) {
    if (!answer.read(i, line) || !line.timestamp) continue;
    auto replica = known.find(line.label(label));
    if (replica == known.end()) continue;
    rows.push_back({replica->second, std::string(line.label(kJob)),
                    std::string(line.label(kInstance)), *line.timestamp, i});
  }
  auto key = [](const Row& row) {
    return std::tie(row.replica, row.instance, row.job, row.series);
  };
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(a) < key(b); });
  return rows;
}

Result<void> PrometheusSource::read_engines(Question& question,
                                            const PrometheusClient::Reply& reply) {
  if (reply.answer.kind() != format::PromqlAnswer::Kind::kMatrix) {
    return fail("an answer that is no matrix");
  }
  const std::vector<Row> rows = rows_of(question.index, reply.answer);
  question.trouble.clear();
  std::size_t heard = 0;
  for (auto begin = rows.begin(); begin != rows.end();) {
    auto end = std::find_if(begin, rows.end(),
                            [&](const Row& row) { return row.replica != begin->replica; });
    // One engine scraped by two jobs would count twice.
    std::vector<Row> own;
    for (auto row = begin; row != end; ++row) {
      if (own.empty() || row->instance != own.back().instance || row->job == own.back().job) {
        own.push_back(*row);
      } else {
        question.trouble = "several jobs scrape one engine, " + own.back().job + " and " +
                           row->job + ": the first is taken; add job=\"" + own.back().job +
                           "\" to sense.selector";
      }
    }
    read_replica(replicas_.at(begin->replica), readers_.at(question.index), reply.answer,
                 std::move(own));
    ++heard;
    begin = end;
  }
  const auto all = static_cast<std::size_t>(std::count_if(
      replicas_.begin(), replicas_.end(),
      [&](const auto& entry) { return entry.second.what.variant == question.index; }));
  if (heard < all && question.trouble.empty()) {
    const std::string& label = model_.variants[question.index].sense.replica_label;
    question.trouble = std::to_string(reply.answer.size()) + " series, of " +
                       std::to_string(heard) + " of " + std::to_string(all) +
                       " replicas by their label " + label;
  }
  return {};
}

void PrometheusSource::read_replica(Replica& replica, const format::PageReader& reader,
                                    const format::PromqlAnswer& answer, std::vector<Row> rows) {
  // A series that ended stays in the range: only what the last scrape of its target saw is true.
  WallTime oldest = rows.front().at;
  signal::Page page(reader.dialect());
  format::SampleLine line;
  for (auto begin = rows.begin(); begin != rows.end();) {
    auto end =
        std::find_if(begin, rows.end(), [&](const Row& row) { return !row.same_target(*begin); });
    const WallTime newest =
        std::max_element(begin, end, [](const Row& a, const Row& b) { return a.at < b.at; })->at;
    oldest = begin == rows.begin() ? newest : std::min(oldest, newest);
    for (auto row = begin; row != end; ++row) {
      if (row->at == newest && answer.read(row->series, line)) {
        reader.add(line.label(kName), line, page);
      }
    }
    begin = end;
  }
  if (page.empty() || oldest <= replica.newest) return;  // nothing since the last look
  replica.newest = oldest;
  replica.last = replica.meter.read(page, world(oldest), {.window = options_.rate_window});
  replica.last->source = signal::Source::kPrometheus;
  heard_(replica.what.id, *replica.last);
}

}  // namespace tidegate::live

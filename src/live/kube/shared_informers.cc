#include "live/kube/shared_informers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "live/kube/label_index.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr const char* kKeptNotes[] = {"controller.kubernetes.io/", "tidegate.dev/"};

/// What is told, and kept for who comes late.
json slim(const json& object) {
  json out = json::object();
  for (const auto& [key, value] : object.items()) {
    if (key == "spec" && value.is_object()) {
      out["spec"] = json::object();
      if (auto node = value.find("nodeName"); node != value.end()) out["spec"]["nodeName"] = *node;
    } else if (key == "metadata" && value.is_object()) {
      json& meta = out["metadata"] = json::object();
      for (const auto& [name, field] : value.items()) {
        if (name == "managedFields" || name == "ownerReferences") continue;
        if (name != "annotations" || !field.is_object()) {
          meta[name] = field;
          continue;
        }
        for (const auto& [note, text] : field.items()) {
          const bool kept = std::any_of(std::begin(kKeptNotes), std::end(kKeptNotes),
                                        [&](const char* of) { return note.starts_with(of); });
          if (kept) meta[name][note] = text;
        }
      }
    } else {
      out[key] = value;
    }
  }
  return out;
}

}  // namespace

/// One collection: those who follow parts of it, and the informer of the whole.
class Share : public std::enable_shared_from_this<Share> {
 public:
  using Id = LabelIndex::Id;
  Share(std::shared_ptr<KubeClient> client, Resource resource, std::size_t few)
      : client_(std::move(client)), resource_(std::move(resource)), few_(few) {}

  Id add(const std::string& selector, InformerHandler handler, const InformerOptions& options);
  void remove(Id id);
  std::size_t size() const { return members_.size(); }

 private:
  struct Member {
    std::string selector;
    InformerHandler handler;
    InformerOptions options;
    std::unique_ptr<Informer> alone;
    bool behind = true;  ///< has not been told what is there
  };
  struct Object {
    Labels labels;
    std::string text;
    std::vector<Id> told;  ///< in order
  };
  using Entry = std::pair<const std::string, Object>;

  void go_alone(Member& member);
  void go_alone_all();
  void start(const InformerOptions& options);
  void changed(const std::string& key, const json& object);
  void removed(const std::string& key);
  void in_step();
  void trouble(const ApiError& error);
  void catch_up(Id id);
  void forget(Entry& entry);
  Member* sharing(Id id);

  std::shared_ptr<KubeClient> client_;
  Resource resource_;
  std::size_t few_;
  Id next_ = 1;
  std::map<Id, Member> members_;
  LabelIndex index_;  ///< of those who share
  std::unique_ptr<Informer> whole_;
  bool listed_ = false, refused_ = false;
  std::unordered_map<std::string, Object> objects_;
  std::unordered_map<std::string, std::unordered_set<Entry*>> by_label_;
};

Share::Id Share::add(const std::string& text, InformerHandler handler,
                     const InformerOptions& options) {
  const Id id = next_++;
  const bool few = members_.size() < few_;
  Member& member = members_[id];
  member.selector = text;
  member.handler = std::move(handler);
  member.options = options;
  auto selector = Selector::parse(text);
  if (few || refused_ || !selector) {
    go_alone(member);
    return id;
  }
  index_.add(id, std::move(*selector));
  if (!whole_) start(options);
  if (!listed_) return id;
  client_->loop().after(Duration(0), [weak = weak_from_this(), id] {
    auto share = weak.lock();
    Member* late = share ? share->sharing(id) : nullptr;
    if (late == nullptr || !late->behind) return;
    share->catch_up(id);
    late->handler.in_step();
  });
  return id;
}

void Share::remove(Id id) {
  members_.erase(id);
  index_.remove(id);
  if (index_.size() > 0) return;
  whole_.reset();
  objects_.clear();
  by_label_.clear();
  listed_ = false;
}

void Share::go_alone(Member& member) {
  member.alone = std::make_unique<Informer>(*client_, resource_, member.selector, member.handler,
                                            member.options);
  member.alone->start();
}

void Share::start(const InformerOptions& options) {
  whole_ = std::make_unique<Informer>(
      *client_, resource_, "",
      InformerHandler{
          .changed = [this](const std::string& key, const json& object) { changed(key, object); },
          .removed = [this](const std::string& key) { removed(key); },
          .in_step = [this] { in_step(); },
          .trouble = [this](const ApiError& error) { trouble(error); }},
      options);
  whole_->start();
}

Share::Member* Share::sharing(Id id) {
  auto it = members_.find(id);
  return it == members_.end() || it->second.alone ? nullptr : &it->second;
}

void Share::changed(const std::string& key, const json& object) {
  Entry& entry = *objects_.try_emplace(key).first;
  Object& known = entry.second;
  Labels labels = labels_of(object);
  if (labels != known.labels || known.text.empty()) {
    forget(entry);
    for (const auto& [name, value] : labels) by_label_[label_text(name, value)].insert(&entry);
    known.labels = std::move(labels);
  }
  const json kept = slim(object);
  known.text = kept.dump();
  std::vector<Id> picked = index_.picks(known.labels);
  std::erase_if(picked, [&](Id id) { return sharing(id)->behind; });
  std::vector<Id> before = std::exchange(known.told, picked);
  for (Id id : before) {
    bool stays = std::binary_search(picked.begin(), picked.end(), id);
    if (Member* member = sharing(id); member != nullptr && !stays) member->handler.removed(key);
  }
  for (Id id : picked) sharing(id)->handler.changed(key, kept);
}

void Share::removed(const std::string& key) {
  auto it = objects_.find(key);
  if (it == objects_.end()) return;
  forget(*it);
  std::vector<Id> told = std::move(it->second.told);
  objects_.erase(it);
  for (Id id : told) {
    if (Member* member = sharing(id)) member->handler.removed(key);
  }
}

/// Out of the index.
void Share::forget(Entry& entry) {
  for (const auto& [name, value] : entry.second.labels) {
    auto there = by_label_.find(label_text(name, value));
    if (there == by_label_.end()) continue;
    there->second.erase(&entry);
    if (there->second.empty()) by_label_.erase(there);
  }
}

void Share::catch_up(Id id) {
  Member& member = *sharing(id);
  member.behind = false;
  std::vector<Entry*> found;
  if (index_.places(id).empty()) {
    for (Entry& entry : objects_) found.push_back(&entry);
  }
  for (const std::string& place : index_.places(id)) {
    if (auto there = by_label_.find(place); there != by_label_.end()) {
      found.insert(found.end(), there->second.begin(), there->second.end());
    }
  }
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->first < b->first; });
  for (Entry* entry : found) {
    Object& object = entry->second;
    if (!index_.selector(id).matches(object.labels)) continue;
    object.told.insert(std::upper_bound(object.told.begin(), object.told.end(), id), id);
    member.handler.changed(entry->first, json::parse(object.text));
  }
}

void Share::in_step() {
  listed_ = true;
  for (auto& [id, member] : members_) {
    if (member.alone) continue;
    if (member.behind) catch_up(id);
    member.handler.in_step();
  }
}

void Share::trouble(const ApiError& error) {
  // Nobody has been told of anything yet, so each may begin anew.
  if (error.code == 403 && !listed_) {
    refused_ = true;
    client_->loop().after(Duration(0), [weak = weak_from_this()] {
      if (auto share = weak.lock()) share->go_alone_all();
    });
    return;
  }
  for (auto& [id, member] : members_) {
    if (!member.alone) member.handler.trouble(error);
  }
}

void Share::go_alone_all() {
  whole_.reset();
  objects_.clear();
  by_label_.clear();
  for (auto& [id, member] : members_) {
    if (member.alone) continue;
    index_.remove(id);
    go_alone(member);
  }
}

Follower::~Follower() { share_->remove(id_); }

std::unique_ptr<Follower> SharedInformers::follow(const std::shared_ptr<KubeClient>& client,
                                                  const Resource& resource,
                                                  const std::string& selector,
                                                  InformerHandler handler,
                                                  InformerOptions options) {
  std::erase_if(shares_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = shares_[{client.get(), resource.path()}];
  auto share = known.lock();
  if (!share) known = share = std::make_shared<Share>(client, resource, few_);
  auto id = share->add(selector, std::move(handler), options);
  return std::unique_ptr<Follower>(new Follower(std::move(share), id));
}

std::size_t SharedInformers::followers() const {
  std::size_t out = 0;
  for (const auto& [key, weak] : shares_) {
    if (auto share = weak.lock()) out += share->size();
  }
  return out;
}

}  // namespace tidegate::live::kube

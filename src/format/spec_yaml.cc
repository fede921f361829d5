#include "format/spec_yaml.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/spec/cron.h"
#include "core/spec/validate.h"
#include "format/profile.h"
#include "format/spec_document.h"
#include "format/spec_reader.h"
#include "format/spec_value.h"
#include "format/spec_zone.h"

namespace tidegate::format {
namespace {

constexpr std::size_t kMaxDiagnostics = 100;

/// What loading may read besides the text: nothing for load_spec, files for load_spec_file.
struct Surroundings {
  LoadSamples samples;
  bool profiles = false;
  bool recorded = false;   ///< documents may be followed by their samples and profiles
  bool scenarios = false;  ///< are left to format/scenario.h
};

/// Begins a profile that follows the document of a model; then what the variants call it. Four
/// blanks stand in a document's text for "--- ".
constexpr std::string_view kRecordedProfile = "    # profile of the variants above: ";

/// What stands between the values as read and the model in force: names, cron masks, zones.
void complete(spec::Model& model, Reader& reader) {
  if (model.served_names.empty()) model.served_names = {model.name};
  for (spec::Variant& variant : model.variants) {
    if (variant.name.empty()) variant.name = "default";
  }
  for (std::size_t i = 0; i < model.scaling.schedule.size(); ++i) {
    spec::ScheduleWindow& window = model.scaling.schedule[i];
    std::string path = "spec.scaling.schedule[" + std::to_string(i) + "]";
    if (window.cron.empty()) continue;  // missing: reported already
    if (auto fields = spec::parse_cron(window.cron)) {
      window.fields = *fields;
    } else {
      reader.fault(reader.positions()[path + ".cron"], path + ".cron: " + fields.error().message);
    }
    if (auto zone = load_zone(window.time_zone)) {
      window.zone = std::move(*zone);
    } else {
      reader.fault(reader.positions()[path + ".timeZone"],
                   path + ".timeZone: " + zone.error().message);
    }
  }
}

/// The Model's own namespace is that of its targets which name none.
void place_targets(spec::Model& model, const Node& ns, Reader& reader) {
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    auto* target = std::get_if<spec::KubernetesTarget>(&model.variants[i].target);
    const std::string path = "spec.variants[" + std::to_string(i) + "].target.kubernetes.namespace";
    if (target == nullptr || reader.positions().contains(path)) continue;
    target->ns = ns.text;
    reader.mark(path, ns.at);
  }
}

spec::Facts gather_facts(const spec::Model& model, const Surroundings& around,
                         std::vector<spec::Finding>& findings) {
  spec::Facts facts;
  facts.profile_max_num_seqs["reference"] = engine::Profile{}.max_num_seqs;
  for (std::size_t i = 0; around.profiles && i < model.variants.size(); ++i) {
    const std::string& name = model.variants[i].engine.profile;
    if (facts.profile_max_num_seqs.contains(name)) continue;
    if (auto profile = load_profile(name, profile_directories())) {
      facts.profile_max_num_seqs[name] = profile->max_num_seqs;
    } else {
      findings.push_back({false, "spec.variants[" + std::to_string(i) + "].engine.profile",
                          profile.error().message});
    }
  }
  return facts;
}

/// An engine runs as many ranks as its profile was measured with, or more.
void take_profile(spec::Variant& variant, spec::Profile profile) {
  variant.profile = std::move(profile);
  variant.engine.data_parallel_size =
      std::max(variant.engine.data_parallel_size, variant.profile.data_parallel_size);
}

class Loader {
 public:
  Loader(std::string filename, Surroundings around)
      : filename_(std::move(filename)), around_(std::move(around)) {}

  SpecFile load(std::string_view text) {
    std::vector<Document> documents = parse_documents(text);
    bool any = false;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      Document& document = documents[i];
      for (const TreeError& error : document.errors) add(Severity::kError, error.at, error.message);
      any = any || !document.errors.empty() || document.root.kind != NodeKind::kNull;
      if (!document.errors.empty() || document.root.kind == NodeKind::kNull) continue;
      if (around_.recorded && document.text.starts_with(kRecordedProfile)) {
        load_profile_of_above(document);
      } else if (around_.recorded && document.text.starts_with(kRecordedSamples)) {
        continue;  // read with the document it follows
      } else {
        recorded_samples_.clear();
        if (around_.recorded && i + 1 < documents.size()) read_recorded_samples(documents[i + 1]);
        load_document(document);
      }
    }
    if (!any)
      add(Severity::kError, {},
          "holds no document; begin with apiVersion: " + std::string(kApiVersion));
    check_names();
    return finish();
  }

 private:
  void load_document(Document& document) {
    if (document.root.kind != NodeKind::kMap) {
      add(Severity::kError, document.root.at,
          "expected a map with apiVersion, kind, metadata and spec, got " +
              describe(document.root));
      return;
    }
    if (around_.scenarios && is_kind(document.root, kScenarioKind)) return;
    std::map<std::string, spec::Spread> samples;
    Reader reader([&](const std::string& file) -> Result<spec::Spread> {
      auto spread = load_samples(file);
      if (spread && !spread->samples.empty()) samples[file] = {spread->p50, spread->p90, {}};
      return spread;
    });
    LoadedModel loaded;
    check_head(document.root, kModelKind, reader);
    // Of a kind that is not ours nothing else would make sense.
    if (reader.faults().empty()) {
      read_metadata(document.root, loaded.model.name, reader);
      const Node* spec = document.root.find("spec");
      if (spec == nullptr || spec->kind == NodeKind::kNull) {
        reader.fault(document.root.at,
                     "\"spec\" is missing; it needs at least one item under variants");
      } else {
        reader.mark("spec", spec->at);
        reader.read(*spec, spec::model_section(), &loaded.model, "spec");
      }
      complete(loaded.model, reader);
      if (const Node* ns = metadata_namespace(document.root, reader)) {
        place_targets(loaded.model, *ns, reader);
      }
    }
    bool sound = reader.faults().empty();
    for (const Fault& fault : reader.faults()) add(Severity::kError, fault.at, fault.message);
    loaded.positions = std::move(reader.positions());
    if (!sound) return;
    std::vector<spec::Finding> findings;
    spec::Facts facts = gather_facts(loaded.model, around_, findings);
    for (spec::Finding& f : spec::validate(loaded.model, facts)) findings.push_back(std::move(f));
    add_all(findings, loaded.positions, document.root.at);
    loaded.file = filename_;
    loaded.yaml = std::move(document.text);
    if (!samples.empty() && !loaded.yaml.ends_with('\n')) loaded.yaml += '\n';
    loaded.yaml += recorded_samples(samples);
    loaded.hash = XXH3_64bits(loaded.yaml.data(), loaded.yaml.size());
    roots_.push_back(document.root.at);
    file_.models.push_back(std::move(loaded));
  }

  /// A record made before samples were carried knows no times of theirs.
  Result<spec::Spread> load_samples(const std::string& file) {
    if (!around_.recorded) return around_.samples(file);
    auto found = recorded_samples_.find(file);
    return found == recorded_samples_.end() ? spec::Spread{} : found->second;
  }

  void read_recorded_samples(const Document& document) {
    if (!document.text.starts_with(kRecordedSamples)) return;
    auto samples = parse_recorded_samples(document.root);
    if (!samples) return add(Severity::kError, document.root.at, samples.error().message);
    recorded_samples_ = std::move(*samples);
  }

  void load_profile_of_above(const Document& document) {
    auto profile = parse_profile(document.text, filename_);
    if (!profile) return add(Severity::kError, document.root.at, profile.error().message);
    if (file_.models.empty()) return;
    std::string_view name = std::string_view(document.text).substr(kRecordedProfile.size());
    name = name.substr(0, name.find('\n'));
    for (spec::Variant& variant : file_.models.back().model.variants) {
      if (variant.engine.profile == name) take_profile(variant, *profile);
    }
  }

  void check_names() {
    std::vector<const spec::Model*> models;
    for (const LoadedModel& loaded : file_.models) models.push_back(&loaded.model);
    auto findings = spec::validate_together(models);
    for (std::size_t i = 0; i < findings.size(); ++i)
      add_all(findings[i], file_.models[i].positions, roots_[i]);
  }

  void add_all(const std::vector<spec::Finding>& findings,
               const std::map<std::string, Position>& positions, Position root) {
    for (const spec::Finding& f : findings) {
      add(f.error ? Severity::kError : Severity::kWarning, place(positions, f.path, root),
          f.path + ": " + f.message);
    }
  }

  void add(Severity severity, Position at, std::string message) {
    file_.diagnostics.push_back({severity, filename_, at.line, at.column, std::move(message)});
  }

  SpecFile finish() {
    auto& all = file_.diagnostics;
    std::stable_sort(all.begin(), all.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    if (!file_.ok()) file_.models.clear();
    if (all.size() > kMaxDiagnostics) {
      // Errors first: what is cut must not be what stops the file.
      std::stable_partition(all.begin(), all.end(),
                            [](const Diagnostic& d) { return d.severity == Severity::kError; });
      std::size_t more = all.size() - kMaxDiagnostics;
      all.resize(kMaxDiagnostics);
      all.push_back(
          {all.front().severity, filename_, 0, 0, "and " + std::to_string(more) + " more"});
    }
    return std::move(file_);
  }

  std::string filename_;
  Surroundings around_;
  SpecFile file_;
  std::vector<Position> roots_;
  std::map<std::string, spec::Spread> recorded_samples_;  ///< of the document that is read, by file
};

Surroundings around_file(const std::string& path) {
  Surroundings around;
  around.profiles = true;
  around.samples = [path](const std::string& name) -> Result<spec::Spread> {
    auto text = read_file((std::filesystem::path(path).parent_path() / name).string());
    if (!text) return fail(text.error());
    auto samples = parse_samples(*text);
    if (!samples) return fail(samples.error());
    return spread_of(std::move(*samples));
  };
  return around;
}

}  // namespace

std::string Diagnostic::text() const {
  std::string out = file;
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  return out + (severity == Severity::kError ? ": error: " : ": warning: ") + message;
}

bool SpecFile::ok() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(),
                      [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

SpecFile load_spec(std::string_view text, std::string_view filename) {
  Surroundings none;
  none.samples = [](const std::string&) -> Result<spec::Spread> {
    return fail("samples can be read only for a spec that is a file");
  };
  return Loader(std::string(filename), none).load(text);
}

SpecFile load_recorded_spec(std::string_view text, std::string_view filename) {
  return Loader(std::string(filename), {.recorded = true}).load(text);
}

SpecFile load_spec_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) {
    SpecFile out;
    out.diagnostics.push_back({Severity::kError, path, 0, 0, text.error().message});
    return out;
  }
  return Loader(path, around_file(path)).load(*text);
}

SpecFile load_models_beside_scenario(std::string_view text, const std::string& path) {
  Surroundings around = around_file(path);
  around.scenarios = true;
  return Loader(path, around).load(text);
}

Result<void> resolve_profiles(LoadedModel& loaded, const std::vector<std::string>& directories) {
  std::set<std::string> carried;
  for (spec::Variant& variant : loaded.model.variants) {
    const std::string& name = variant.engine.profile;
    auto profile = load_profile(name, directories);
    if (!profile) return fail(profile.error().within("variant " + variant.name));
    take_profile(variant, std::move(*profile));
    if (variant.profile == spec::Profile{} || !carried.insert(name).second) continue;
    if (!loaded.yaml.ends_with('\n')) loaded.yaml += '\n';
    loaded.yaml += "---" + std::string(kRecordedProfile.substr(3)) + name + "\n" +
                   profile_yaml(variant.profile);
  }
  loaded.hash = XXH3_64bits(loaded.yaml.data(), loaded.yaml.size());
  return {};
}

std::vector<Diagnostic> check_together(const std::vector<const SpecFile*>& files) {
  std::vector<Diagnostic> out;
  std::vector<const spec::Model*> models;
  std::vector<const LoadedModel*> from;
  for (const SpecFile* file : files) {
    for (const LoadedModel& loaded : file->models) {
      models.push_back(&loaded.model);
      from.push_back(&loaded);
    }
  }
  auto findings = spec::validate_together(models);
  for (std::size_t i = 0; i < findings.size(); ++i) {
    for (const spec::Finding& f : findings[i]) {
      Position at = place(from[i]->positions, f.path, {});
      out.push_back(
          {Severity::kError, from[i]->file, at.line, at.column, f.path + ": " + f.message});
    }
  }
  return out;
}

}  // namespace tidegate::format

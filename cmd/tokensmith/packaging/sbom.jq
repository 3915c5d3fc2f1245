# A CycloneDX bill of materials, from what the Go command put into the binary and what else is linked into it:
#   go version -m -json BINARY | jq --arg name NAME --arg version VERSION --arg sum SHA256 --argjson made SECONDS --arg sqlite VERSION
#     --arg libc 'PACKAGE VERSION' --arg libgcc 'PACKAGE VERSION' --rawfile licences licences.txt -f sbom.jq
([$licences | split("\n")[] | select(test("^[^# ]")) | capture("^(?<name>\\S+) (?<licence>.+)$") | {(.name): .licence}] | add) as $licence |
def library($listed; $name; $version; $purl): {
	type: "library",
	name: $name,
	version: $version,
	purl: $purl,
	"bom-ref": $purl,
	licenses: [{expression: ($licence[$listed] // error("licences.txt does not name " + $listed))}]
};
def go($listed; $path; $version): library($listed; $path; $version; "pkg:golang/" + $path + "@" + $version);
def debian($listed; $of): ($of | split(" ")) as [$package, $version] | library($listed; $package; $version; "pkg:deb/debian/" + $package + "@" + $version);
(if type == "array" then .[0] else . end) as $b |
([$b.Settings[] | {(.Key): .Value}] | add) as $s |
([
	go("std"; "std"; $b.GoVersion | ltrimstr("go")),
	(($b.Deps // [])[] | (if .Replace then error(.Path + " is replaced") else . end) | go(.Path; .Path; .Version)),
	library("sqlite"; "sqlite"; $sqlite; "pkg:generic/sqlite@" + $sqlite),
	debian("glibc"; $libc),
	debian("libgcc"; $libgcc)
]) as $components |
{
	bomFormat: "CycloneDX",
	specVersion: "1.6",
	version: 1,
	metadata: {
		timestamp: ($made | todate),
		component: {
			type: "application",
			name: "tokensmith",
			version: $version,
			"bom-ref": $name,
			hashes: [{alg: "SHA-256", content: $sum}],
			licenses: [{expression: "Apache-2.0"}],
			properties: [$s | to_entries[] | select(.key | test("^(GOOS|GOARCH|CGO_ENABLED|-tags|vcs.revision)$")) | {name: ("go:" + .key), value: .value}]
		}
	},
	components: $components,
	dependencies: [{ref: $name, dependsOn: [$components[]."bom-ref"]}]
}

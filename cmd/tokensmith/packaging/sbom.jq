# A CycloneDX bill of materials, from what the Go command put into the binary:
#   go version -m -json BINARY | jq --arg name NAME --arg sum SHA256 -f sbom.jq
def library: {
	type: "library",
	name: .Path,
	version: .Version,
	purl: ("pkg:golang/" + .Path + "@" + .Version),
	"bom-ref": ("pkg:golang/" + .Path + "@" + .Version)
};
(if type == "array" then .[0] else . end) as $b |
([$b.Settings[] | {(.Key): .Value}] | add) as $s |
{
	bomFormat: "CycloneDX",
	specVersion: "1.6",
	version: 1,
	metadata: {
		component: {
			type: "application",
			name: "tokensmith",
			version: $version,
			"bom-ref": $name,
			hashes: [{alg: "SHA-256", content: $sum}],
			properties: [$s | to_entries[] | select(.key | test("^(GOOS|GOARCH|CGO_ENABLED|-tags|vcs.revision)$")) | {name: ("go:" + .key), value: .value}]
		}
	},
	components: (
		[{type: "library", name: "std", version: $b.GoVersion, purl: ("pkg:golang/std@" + ($b.GoVersion | ltrimstr("go"))), "bom-ref": ("pkg:golang/std@" + ($b.GoVersion | ltrimstr("go")))}]
		+ [($b.Deps // [])[] | (.Replace // .) | library]
	)
}

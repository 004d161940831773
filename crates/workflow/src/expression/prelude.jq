# jq 1.7's functions that are written in jq. A function that loops does so through an inner one
# without arguments: an argument that is passed on to the next round would grow with each.

def empty: {}[] as $x | .;
def error: error_empty as $x | .;
def error(message): (message | error_empty) as $x | .;
def true: 0 == 0;
def false: 0 != 0;
def null: [][0];
def select(f): if f then . else empty end;
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars: select(type | . != "array" and . != "object");
def finites: select(type == "number" and (isinfinite or isnan | not));
def normals: select(type == "number" and isnormal);
def isvalid(f): try (f | true) catch false;
def toarray: if type == "array" then . else [.] end;
def recurse: def r: ., (.[]? | r); r;
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def recurse(f): def r: ., (f | r); r;
def recurse(f; condition): def r: ., (f | select(condition) | r); r;
def recurse_down: recurse;
def repeat(f): def r: f, r; r;
def while(condition; update): def r: if condition then ., (update | r) else empty end; r;
def until(condition; update): def r: if condition then . else update | r end; r;
def range($from; $to; $by):
  if ($from | type) != "number" or ($to | type) != "number" or ($by | type) != "number"
  then error("Range bounds must be numeric")
  elif $by == 0 then empty
  else _range($from; $to; $by) end;
def range($to): range(0; $to; 1);
def range($from; $to): range($from; $to; 1);
def limit($count; f):
  if $count > 0 then _limit($count; f) elif $count == 0 then empty else f end;
def skip($count; f):
  if $count < 0 then error("skip doesn't support negative count")
  else foreach f as $x (0; . + 1; if . > $count then $x else empty end) end;
def trimstr($x): ltrimstr($x) | rtrimstr($x);
def last(f): reduce f as $x (null; $x);
def isempty(g): label $out | (g | false, break $out), true;
def first: .[0];
def last: .[-1];
def nth($index): .[$index];
def nth($index; f):
  if $index < 0 then error("Out of bounds negative array index")
  else last(limit($index + 1; f)) end;
def all(g; condition): isempty(g | select(condition | not));
def any(g; condition): isempty(g | select(condition)) | not;
def all(condition): all(.[]; condition);
def any(condition): any(.[]; condition);
def all: all(.[]; .);
def any: any(.[]; .);
def add(f): reduce f as $x (null; . + $x);
def in(object): . as $key | object | has($key);
def inside(whole): . as $part | whole | contains($part);
def index($part): indices($part) | .[0];
def rindex($part): indices($part) | .[-1];
def flatten: _flatten(1e9);
def flatten($depth): _flatten($depth);
def sort_by(f): _sort_by(map([f]));
def group_by(f): _group_by(map([f]));
def unique_by(f): _unique_by(map([f]));
def min_by(f): _min_by(map([f]));
def max_by(f): _max_by(map([f]));
def unique: _unique_by(.);
def min: _min_by(.);
def max: _max_by(.);
def transpose: if . == [] then [] else
  . as $rows | (map(length) | max) as $width
  | [range($width) as $column | [$rows[] | .[$column]]] end;
def combinations:
  if length == 0 then []
  else .[0][] as $head | (.[1:] | combinations) as $tail | [$head] + $tail end;
def combinations($count): . as $dot | [range($count)] | map($dot) | combinations;
def walk(f):
  def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f;
  w;
def from_entries: reduce .[] as $entry ({};
  . + { ($entry | if type == "object" then
      (if .key == null then .k // .name // .Name // .K // .Key
        else .key end
        | if type == "string" then . elif type == "null" then "null" else tojson end)
      else error("Cannot index \(type) with \"key\"") end):
    ($entry | if has("value") then .value elif has("v") then .v else .Value end) });
def with_entries(f): to_entries | map(f) | from_entries;
def ascii: [.] | implode;
def getpath($path):
  if $path | type != "array" then error("Path must be specified as an array")
  else reduce $path[] as $key (.; .[$key]) end;
def del(f): delpaths([path(f)]);
def paths: path(..) | select(length > 0);
def paths(condition):
  _path_value(..) | select((.[0] | length > 0) and (.[1] | condition)) | .[0];
def leaf_paths: paths(scalars);
def pick(f): . as $top
  | reduce path(f) as $path (null; setpath($path; $top | _getpath($path)));
def tostream: path(def r: (.[]? | r), .; r) as $path | _getpath($path)
  | reduce path(.[]?) as $inner ([$path, .]; [$path + $inner]);
def fromstream(f): {x: null, e: false} as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2
        then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream): . as $n | null | stream | . as $input
  | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;
def INDEX(stream; key): reduce stream as $row ({}; .[$row | key | tostring] |= $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; stream; key): stream | [., $index[key]];
def JOIN($index; stream; key; joined): stream | [., $index[key]] | joined;
def IN(source): any(source == .; .);
def IN(source; candidates): any(source == candidates; .);
def have_literal_numbers: true;
def have_decnum: false;
def logb: if . == 0 then -infinite else frexp[1] - 1 end;
def significand: if . == 0 then 0 else . / pow(2; logb) end;
def gamma: lgamma;
def lgamma_r: lgamma;
def pow10: exp10;
def drem($x; $y): $x - $y * (($x / $y) | rint);
def scalb($x; $e): $x * pow(2; $e);
def scalbln($e): scalbln(.; $e);
def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def todateiso8601: todate;
def fromdate: fromdateiso8601;
def date: todate;
def dateadd(unit; $count): . + $count;
def datesub(unit; $count): . - $count;
def format($name):
  if $name == "text" then @text elif $name == "json" then @json
  elif $name == "csv" then @csv elif $name == "tsv" then @tsv
  elif $name == "html" then @html elif $name == "uri" then @uri elif $name == "urid" then @urid
  elif $name == "sh" then @sh
  elif $name == "base64" then @base64 elif $name == "base64d" then @base64d
  elif $name == "base32" then @base32 elif $name == "base32d" then @base32d
  else error("\($name) is not a valid format") end;

# A regular expression may come with its flags: "a", ["a"], ["a", "i"].
def _pattern($pattern): if $pattern | type == "array" then $pattern[0] else $pattern end;
def _flags($pattern): if $pattern | type == "array" then $pattern[1] else null end;
def match($pattern; $flags): _match($pattern; $flags)[];
def match($pattern): match(_pattern($pattern); _flags($pattern));
def test($pattern; $flags): _test($pattern; $flags);
def test($pattern): test(_pattern($pattern); _flags($pattern));
def _captured: reduce (.captures[] | select(.name != null)) as $it ({}; . + {($it.name): $it.string});
def capture($pattern; $flags): match($pattern; $flags) | _captured;
def capture($pattern): match($pattern) | _captured;
def scan($pattern; $flags): match($pattern; "g" + $flags)
  | if .captures | length > 0 then [.captures[].string] else .string end;
def scan($pattern): scan(_pattern($pattern); _flags($pattern));
def split($pattern; $flags): [_pieces($pattern; "g" + $flags)[] | strings];
def splits($pattern; $flags): split($pattern; $flags)[];
def splits($pattern): splits($pattern; null);
def sub($pattern; replacement; $flags):
  [_pieces($pattern; $flags)[]
    | if type == "object" then [_captured | replacement] else . end]
  | if length == 1 then .[0] else
      (map(arrays | length) | max) as $outputs
      | range($outputs) as $output
      | reduce .[] as $piece ("";
          . + if $piece | type == "array" then $piece[$output] else $piece end) end;
def sub($pattern; replacement): sub($pattern; replacement; "");
def gsub($pattern; replacement; $flags): sub($pattern; replacement; $flags + "g");
def gsub($pattern; replacement): sub($pattern; replacement; "g");

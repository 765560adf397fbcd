"""Templates for templates_oracle.py: the families' rarer constructs."""

CONSTRUCTS = {}

CONSTRUCTS["granite_documents_controls"] = """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Known up to: yesterday." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + " Use tools and documents." %}
    {%- elif tools %}
        {%- set system_message = system_message + " Use tools." %}
    {%- elif documents %}
        {%- set system_message = system_message + " Use documents." %}
    {%- endif %}
    {%- if 'citations' in controls and documents %}
        {%- set system_message = system_message + '\\n\\nCite.' %}
    {%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|r|>system<|/r|>' + system_message + '<|e|>\\n' }}
{%- if tools %}
    {{- '<|r|>tools<|/r|>' }}
    {{- tools | tojson(indent=2) }}
    {{- '<|e|>\\n' }}
{%- endif %}
{%- if documents %}
    {{- '<|r|>documents<|/r|>' }}
    {%- for document in documents %}
        {{- 'Document ' + loop.index | string + '\\n' }}
        {{- document['text'] }}
        {%- if not loop.last %}
            {{- '\\n\\n' }}
        {%- endif %}
    {%- endfor %}
    {{- '<|e|>\\n' }}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|r|>' + message['role'] + '<|/r|>' + message['content'] + '<|e|>\\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|r|>assistant' }}
        {%- if controls %}
            {{- ' ' + controls | tojson()}}
        {%- endif %}
        {{- '<|/r|>' }}
    {%- endif %}
{%- endfor %}
"""

CONSTRUCTS["olmo2_last_turn"] = """\
{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + '\\n' }}
{% elif message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + '\\n' }}
{% elif message['role'] == 'assistant' %}
{% if not loop.last %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token + '\\n' }}
{% else %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}
{% endif %}
{% endfor %}
"""

CONSTRUCTS["schema_macros"] = """\
{% macro json_to_type(spec) %}
    {%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
    {%- if basic[spec.type] is defined %}
        {{- basic[spec.type] }}
    {%- elif spec.type == "array" %}
        {{- "List[" + json_to_type(spec['items']) + "]" }}
    {%- elif spec.type == "object" %}
        {%- if spec.additionalProperties is defined %}
            {{- "Dict[str, " + json_to_type(spec.additionalProperties) + ']' }}
        {%- else %}
            {{- "Dict" }}
        {%- endif %}
    {%- elif spec.type is iterable and spec.type is not string %}
        {{- "Union[" }}
        {%- for t in spec.type %}
            {{- json_to_type({"type": t}) }}
            {%- if not loop.last %}{{- "," }}{%- endif %}
        {%- endfor %}
        {{- "]" }}
    {%- else %}
        {{- "Any" }}
    {%- endif %}
{%- endmacro %}
{%- macro signature(tool, prefix="def ", optional_mark=" = None") -%}
    {%- set f = tool.function if tool.function is defined else tool -%}
    {{ prefix }}{{ f.name }}(
    {%- for name, spec in f.parameters.properties.items() -%}
        {{ name }}: {{ json_to_type(spec) }}
        {%- if name not in f.parameters.required %}{{ optional_mark }}{% endif %}
        {%- if not loop.last %}, {% endif %}
    {%- endfor -%}
    )
{%- endmacro %}
{{- bos_token }}
{%- if tools %}
## Tools
{% for tool in tools %}
{{ signature(tool, optional_mark=" = ?") }}
{% endfor %}
{% endif %}
{%- for message in messages %}
    {{- '<|' ~ message.role | upper ~ '|>' ~ (message.content or '') }}
    {%- for call in message.tool_calls or [] %}
{{ call.function.name }}({% for k, v in call.function.arguments | dictsort %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %})
    {%- endfor %}
{% endfor %}
"""

CONSTRUCTS["deepseek_namespace_tools"] = """\
{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<|Assistant|><|calls|><|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments'] | tojson + '\\n' + '```' + '<|/call|>'}}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + '<|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '<|/call|>'}}{{'<|/calls|><|eos|>'}}{%- endif %}{%- endfor %}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{%- if ns.is_tool %}{{'<|/outputs|>' + message['content'] + '<|eos|>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|eos|>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<|outputs|><|output|>' + message['content'] + '<|/output|>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\\n<|output|>' + message['content'] + '<|/output|>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<|/outputs|>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|>'}}{% endif %}"""

CONSTRUCTS["generation_marks"] = """\
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<a>' }}{% generation %}{{ message.content }}</a>
        {%- endgeneration %}

    {%- else %}
        {{- '<' ~ message.role[0] ~ '>' ~ message.content ~ '</' ~ message.role[:1] ~ '>' }}
    {%- endif %}
{%- endfor %}
{{- '<a>' if add_generation_prompt }}"""

CONSTRUCTS["filters_and_blocks"] = """\
{%- set users = messages | selectattr('role', 'equalto', 'user') | list -%}
{%- set others = messages | rejectattr('role', 'in', ['user', 'system']) | map(attribute='content') | list -%}
Users: {{ users | length }}, first: {{ (users | first).content | default('-') if users else '?' }}
Roles: {{ messages | map(attribute='role') | unique | join(', ') }} / {{ messages | map(attribute='role') | map('upper') | join('-') }}
{% set summary %}
  {% for m in messages if m.role != 'system' %}
{{ loop.index }}/{{ loop.length }} {{ m.role | capitalize }}{% if loop.nextitem is defined %} -> {{ loop.nextitem.role }}{% endif %}{% if loop.previtem %} <- {{ loop.previtem.role }}{% endif %};
  {% else %}
nobody
  {% endfor %}
{% endset %}
[{{ summary | trim | indent(2) }}]
Others: {{ others }} {{ others | tojson }} {{ others | reverse | list }}
{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{% if loop.index0 > 2 %}{% break %}{% endif %}{{ loop.revindex }}:{{ loop.revindex0 }}:{{ loop.cycle('odd', 'even') }} {% endfor %}
{% filter upper | replace('A', '4') %}said: {{ (messages | last).content }}{% endfilter %}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}
{% call wrap('q') %}{{ messages[0].content }}{% endcall %}
{% with a = 1, b = messages | length %}{{ a + b }}{% endwith %}
{% raw %}{{ not rendered }} {% endraw %}
{{ extra | dictsort if extra is defined else 'no extra' }}
{{- '' -}}   
{{ messages[-1].role.title() }} {{ messages[-1]['content'].split()[:2] }} {{ messages[0]['content'][::-1] }}
"""

CONSTRUCTS["content_lists"] = """\
{%- macro text_of(content) -%}
    {%- if content is none -%}
    {%- elif content is string -%}
        {{ content }}
    {%- else -%}
        {%- for part in content -%}
            {%- if part is string -%}{{ part }}
            {%- elif part.type == 'text' -%}{{ part.text }}
            {%- elif 'image' in part or part.type in ('image', 'image_url') -%}<image {{ loop.index }}>
            {%- else -%}{{ raise_exception('unknown part: ' ~ part.type) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for m in messages -%}
    {%- if m.role not in ['system', 'user', 'assistant', 'tool'] -%}
        {{ raise_exception('unknown role ' + m.role) }}
    {%- endif -%}
    {{ '<s>' ~ m['role'] ~ ': ' ~ text_of(m.content) | trim ~ '</s>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1].role != 'assistant' -%}<s>assistant:{%- endif -%}
"""

CONSTRUCTS["gptoss_channels"] = """\
{%- set effort = reasoning_effort | default("medium") -%}
{%- set has_tools = tools is defined and tools is not none and tools | length > 0 -%}
<|start|>system<|message|>Effort: {{ effort }}{{ "\\nTools: " ~ tools | map(attribute='function') | map(attribute='name') | join(', ') if has_tools }}
{%- if controls is defined and controls is mapping %}
{% for key, value in controls.items() %}
{{ key }} = {% if value is boolean %}{{ 'on' if value else 'off' }}{% elif value is number %}{{ value | round(2) }}{% else %}{{ value | tojson }}{% endif +%}
{% endfor %}
{% endif %}<|end|>
{%- for message in messages -%}
    {%- if message.role == 'assistant' and message.thinking is defined and not loop.last -%}
        <|start|>assistant<|channel|>analysis<|message|>{{ message.thinking }}<|end|>
    {%- endif -%}
    {%- if message.tool_calls -%}
        {%- set tool_call = message.tool_calls[0] -%}
        {%- set tool_call = tool_call.function if tool_call.function else tool_call -%}
        <|start|>assistant to=functions.{{ tool_call.name }}<|message|>{{ tool_call.arguments | tojson(separators=(',', ':'), sort_keys=true) }}<|call|>
    {%- elif message.role == 'tool' -%}
        <|start|>functions<|message|>{{ message.content | tojson }}<|end|>
    {%- else -%}
        <|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}
"""

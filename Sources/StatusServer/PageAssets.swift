/// The page's own style and script.
enum PageAssets {
    static let style: StaticString = """
        :root{color-scheme:light dark;--back:#fff;--text:#1a1a1a;--soft:#5f6368;--line:#d9dce1;--panel:#f6f7f9;
          --ready:#0a7d36;--working:#1a5fb4;--trouble:#b3261e;--done:#0a7d36}
        @media(prefers-color-scheme:dark){:root{--back:#14161a;--text:#e8eaed;--soft:#9aa0a6;--line:#33373d;--panel:#1d2025;
          --ready:#5fd38d;--working:#8ab4f8;--trouble:#ff8a80;--done:#5fd38d}}
        *{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--text);font:16px/1.45 system-ui,sans-serif}
        main{max-width:72rem;margin:0 auto;padding:1rem;display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr))}
        header,.verdict,footer{grid-column:1/-1}header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline}
        h1{font-size:1.4rem;margin:0;overflow-wrap:anywhere}h2{font-size:1rem;margin:0 0 .5rem}h3{font-size:.95rem;margin:.75rem 0 .25rem}
        .phase{margin:0;color:var(--soft)}section{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:1rem;min-width:0}
        .verdict{border-left:.5rem solid var(--working)}.verdict p{margin:.15rem 0;overflow-wrap:anywhere}.what{font-size:1.25rem;font-weight:600}
        .ready{border-left-color:var(--ready)}.ready .what{color:var(--ready)}.done{border-left-color:var(--done)}.done .what{color:var(--done)}
        .trouble{border-left-color:var(--trouble)}.trouble .what{color:var(--trouble)}
        dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.5rem;margin:.5rem 0}dt{color:var(--soft);font-size:.85rem}
        dd{margin:0;font-size:1.1rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
        table{width:100%;border-collapse:collapse;font-size:.9rem}th{text-align:left;color:var(--soft);font-weight:500}
        td,th{padding:.25rem .5rem .25rem 0;border-bottom:1px solid var(--line);overflow-wrap:break-word}th,td:first-child{white-space:nowrap}.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
        progress{width:100%;min-width:5rem;height:.8rem;accent-color:var(--working)}ul{margin:0;padding-left:1.1rem}li{overflow-wrap:anywhere}
        .warnings li{margin:.25rem 0}figure{margin:.75rem 0 0}svg{width:100%;height:5rem;background:var(--back);border:1px solid var(--line);border-radius:.25rem}
        polyline{fill:none;stroke:var(--working);stroke-width:2;vector-effect:non-scaling-stroke}figcaption,footer{color:var(--soft);font-size:.85rem}
        .lost{display:none;margin:0;padding:.5rem 1rem;background:var(--trouble);color:var(--back)}.stale .lost{display:block}
        """

    /// Replaces what is shown every two seconds, and says so when the server is gone.
    static let script: StaticString = """
        setInterval(async()=>{try{const answer=await fetch(location.href,{cache:'no-store'});if(!answer.ok)throw answer.status;
        const page=new DOMParser().parseFromString(await answer.text(),'text/html');
        document.querySelector('main').replaceWith(page.querySelector('main'));document.title=page.title;
        document.body.classList.remove('stale')}catch{document.body.classList.add('stale')}},2000)
        """
}
